"""The usual way to serve pictures from Python: a generator per viewer, a thread each."""

import logging
import struct
import sys
import threading
import time

from flask import Flask, Response
from werkzeug.serving import make_server

size, period = int(sys.argv[1]), float(sys.argv[2])
app = Flask(__name__)
news = threading.Condition()
newest = b""


def camera():
    global newest
    due, number = time.monotonic(), 0
    while True:
        due += period
        time.sleep(max(0, due - time.monotonic()))
        stamp = struct.pack(">QQ", number, time.monotonic_ns())
        with news:
            newest = b"\xff\xd8\xff\xfe\x00\x12" + stamp + bytes(size - 2)
            news.notify_all()
        number += 1


def pictures():
    yield b"--frame\r\n"
    while True:
        with news:
            news.wait()
            jpeg = newest
        head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        yield head + jpeg + b"\r\n--frame\r\n"


@app.route("/stream")
def stream():
    return Response(pictures(), mimetype="multipart/x-mixed-replace; boundary=frame")


server = make_server("127.0.0.1", 0, app, threaded=True)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
print(server.server_port, flush=True)
threading.Thread(target=camera, daemon=True).start()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
