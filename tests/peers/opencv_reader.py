"""Watches a stream with OpenCV and says which of the known pictures each one is.

usage: opencv_reader.py URL FOLDER. The folder holds the pictures as 0.jpg, 1.jpg, ... Prints "open" when the stream is
open, then a line for each picture: the number of the known one it is equal to, or how far it is from the nearest.
"""

import pathlib
import sys

import cv2
import numpy

# Two decoders round the same picture differently; the known pictures are plain and at least 128 apart.
ROUNDING = 4


def difference(one, other):
    return int(numpy.abs(one.astype(int) - other.astype(int)).max())


def main():
    url, folder = sys.argv[1:]
    files = sorted(pathlib.Path(folder).iterdir(), key=lambda file: int(file.stem))
    known = [cv2.imread(str(file)) for file in files]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        sys.exit("OpenCV cannot open the stream")
    print("open", flush=True)
    while True:
        there, picture = capture.read()
        if not there:
            return
        away, nearest = min((difference(picture, candidate), n) for n, candidate in enumerate(known))
        print(nearest if away <= ROUNDING else f"{away} away from {nearest}", flush=True)


if __name__ == "__main__":
    main()
