#!/usr/bin/env python3
"""Serves numpy arrays: serve_numpy.py [PORT [WIDTH HEIGHT]]

    server = Server(320, 240, port=8080)
    server.write(picture)               # an array of height x width x 3, BGR, as OpenCV gives it

Debian packages: python3-gst-1.0, gir1.2-gst-plugins-base-1.0, python3-numpy.
"""

import sys
import time

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, Gst, GstApp  # noqa: E402,F401 (GstApp gives appsrc its methods)

PIPELINE = """appsrc name=pictures is-live=true do-timestamp=true format=time max-buffers=1 leaky-type=downstream
    ! videoconvert ! jpegenc ! mjpegserversink name=server"""


class Server:
    def __init__(self, width, height, port=8080, host="127.0.0.1"):
        Gst.init(None)
        self._shape = (height, width, 3)
        self._pipeline = Gst.parse_launch(PIPELINE)
        server = self._pipeline.get_by_name("server")
        server.props.port, server.props.host = port, host
        self._pictures = self._pipeline.get_by_name("pictures")
        layout = f"video/x-raw,format=BGR,width={width},height={height},framerate=0/1"
        self._pictures.props.caps = Gst.Caps.from_string(layout)
        self._pipeline.set_state(Gst.State.PLAYING)
        message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        if message is not None:
            self.close()
            raise OSError(message.parse_error()[0].message)
        self.url = f"http://{host}:{server.props.current_port}/"

    def write(self, picture):
        """Sends a picture to all who watch; they get it at once."""
        if picture.shape != self._shape or picture.dtype != numpy.uint8:
            raise ValueError(f"a picture is {self._shape} of uint8, not {picture.shape} of {picture.dtype}")
        # Lines are padded to four bytes.
        padding = -picture.shape[1] * 3 % 4
        lines = numpy.pad(picture.reshape(picture.shape[0], -1), ((0, 0), (0, padding)))
        self._pictures.push_buffer(Gst.Buffer.new_wrapped(lines.tobytes()))

    def close(self):
        self._pipeline.set_state(Gst.State.NULL)


def main():
    if len(sys.argv) not in (1, 2, 4) or not all(number.isdigit() for number in sys.argv[1:]):
        sys.exit("usage: serve_numpy.py [PORT [WIDTH HEIGHT]], such as serve_numpy.py 8080 640 480")
    numbers = [int(number) for number in sys.argv[1:]]
    port, width, height = numbers + [8080, 322, 240][len(numbers):]
    try:
        server = Server(width, height, port)
    except GLib.Error as error:
        sys.exit(f"{error.message}: is the plugin installed, and found (GST_PLUGIN_PATH)?")
    except OSError as error:
        sys.exit(str(error))
    print(server.url, flush=True)
    picture = numpy.zeros((height, width, 3), numpy.uint8)
    while True:
        picture[:] = (0, 0, 200)
        time.sleep(1 / 15)
        server.write(picture)


if __name__ == "__main__":
    main()
