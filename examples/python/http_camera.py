#!/usr/bin/env python3
"""A camera over HTTP with the methods of cv2.VideoCapture: open, isOpened, read, release.

    camera = HttpCamera("http://camera/stream")
    there, picture = camera.read()      # a numpy array, BGR, as OpenCV wants it

read() gives each picture once, and always the newest: one that nobody fetched in time is gone. A stream that is lost
comes back by itself; read() waits for it as long as `patience` says, then there is no picture (False, None).

As a program: http_camera.py URL [COUNT] prints the shape and mean of COUNT pictures.

Debian packages: python3-gst-1.0, gir1.2-gst-plugins-base-1.0, python3-numpy.
"""

import sys

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, Gst, GstApp  # noqa: E402,F401 (GstApp gives appsink its methods)

PIPELINE = """mjpegclientsrc name=camera ! jpegdec ! videoconvert ! video/x-raw,format=BGR
    ! appsink name=pictures sync=false max-buffers=1 drop=true"""


class HttpCamera:
    def __init__(self, url, patience=10.0):
        Gst.init(None)
        self._url = url
        self._patience = int(patience * Gst.SECOND)
        self._pipeline = None
        self.error = "no picture"

    def open(self):
        """Whether the camera is there now; opened twice is opened once."""
        if self._pipeline is None:
            pipeline = Gst.parse_launch(PIPELINE)
            pipeline.get_by_name("camera").props.location = self._url
            self._pictures = pipeline.get_by_name("pictures")
            self._pipeline = pipeline
            pipeline.set_state(Gst.State.PLAYING)
        return self.isOpened()

    def isOpened(self):
        """Whether pictures come or may still come; false after an error. `error` is the last error or warning."""
        while self._pipeline is not None:
            message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.WARNING)
            if message is None:
                return True
            if message.type == Gst.MessageType.WARNING:
                self.error = message.parse_warning()[0].message
            else:
                self.error = message.parse_error()[0].message
                self.release()
        return False

    def read(self):
        """Waits for a picture that was not read yet: (True, picture), or (False, None)."""
        if not self.open():
            return False, None
        sample = self._pictures.try_pull_sample(self._patience)
        if sample is None:
            self.isOpened()
            return False, None
        caps = sample.get_caps()
        width, height = caps[0]["width"], caps[0]["height"]
        buffer = sample.get_buffer()
        mapped, view = buffer.map(Gst.MapFlags.READ)
        if not mapped:
            return False, None
        try:
            # Lines are padded to four bytes.
            stride = -(-width * 3 // 4) * 4
            lines = numpy.frombuffer(view.data, numpy.uint8, stride * height).reshape(height, stride)
            return True, lines[:, : width * 3].reshape(height, width, 3).copy()
        finally:
            buffer.unmap(view)

    def release(self):
        if self._pipeline is not None:
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None


def main():
    if len(sys.argv) not in (2, 3) or not all(count.isdigit() for count in sys.argv[2:]):
        sys.exit("usage: http_camera.py URL [COUNT], such as http_camera.py http://camera/stream 10")
    url, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize
    camera = HttpCamera(url)
    try:
        for _ in range(count):
            there, picture = camera.read()
            if not there:
                sys.exit(camera.error)
            print(picture.shape, f"mean {picture.mean():.1f}", flush=True)
    except GLib.Error as error:
        sys.exit(f"{error.message}: is the plugin installed, and found (GST_PLUGIN_PATH)?")
    finally:
        camera.release()


if __name__ == "__main__":
    main()
