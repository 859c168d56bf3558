#!/usr/bin/env python3
"""Reads a stream with OpenCV, works on each picture, and serves the result: opencv_relay.py URL PORT [COUNT]

cv2.CAP_GSTREAMER takes a pipeline in the place of a file name; OpenCV then needs no network code and no thread of its
own for the newest picture: max-buffers=1 drop=true keeps it.

Debian packages: python3-opencv.
"""

import sys

import cv2

READER = """mjpegclientsrc location={} ! jpegdec ! videoconvert ! video/x-raw,format=BGR
    ! appsink sync=false max-buffers=1 drop=true"""
WRITER = "appsrc is-live=true do-timestamp=true ! videoconvert ! jpegenc ! mjpegserversink port={}"


def main():
    if len(sys.argv) not in (3, 4) or not all(number.isdigit() for number in sys.argv[2:]):
        sys.exit("usage: opencv_relay.py URL PORT [COUNT], such as opencv_relay.py http://camera/stream 8080")
    url, port = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    capture = cv2.VideoCapture(READER.format(url), cv2.CAP_GSTREAMER)
    there, picture = capture.read()
    if not there:
        sys.exit(f"no picture from {url}: is it there, and is the plugin installed, and found (GST_PLUGIN_PATH)?")
    height, width = picture.shape[:2]
    # The rate is a hint for encoders; pictures leave when they are written.
    writer = cv2.VideoWriter(WRITER.format(port), cv2.CAP_GSTREAMER, 0, 15.0, (width, height))
    if not writer.isOpened():
        sys.exit(f"cannot serve on port {port}")
    print(f"http://127.0.0.1:{port}/", flush=True)
    while there and count > 0:
        edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 50, 150)
        writer.write(cv2.cvtColor(edges, cv2.COLOR_GRAY2BGR))
        there, picture = capture.read()
        count -= 1
    writer.release()
    capture.release()


if __name__ == "__main__":
    main()
