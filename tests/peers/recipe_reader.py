"""Reads a stream as the widespread Python recipe does: a picture is what lies between two whole part heads.

usage: recipe_reader.py URL. Writes each picture as soon as it is known, after its length in four bytes.
"""

import struct
import sys
import urllib.request

HEAD = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"


def pictures(response):
    # The very first delimiter has no line end before it.
    buffered = b"\r\n"
    while chunk := response.read1(1024):
        buffered += chunk
        *complete, buffered = buffered.split(HEAD)
        # Before the first head there is nothing.
        yield from filter(None, complete)


def main():
    with urllib.request.urlopen(sys.argv[1]) as response:
        for picture in pictures(response):
            sys.stdout.buffer.write(struct.pack(">I", len(picture)) + picture)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
