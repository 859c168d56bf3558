"""The recipe's Flask app: /stream sends what comes in on stdin, each picture after its length in eight bytes."""

import logging
import sys

from flask import Flask, Response
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)


def frames():
    while length := sys.stdin.buffer.read(8):
        jpeg = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        yield b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n"


@app.route("/stream")
def stream():
    return Response(frames(), mimetype="multipart/x-mixed-replace; boundary=frame")


logging.getLogger("werkzeug").setLevel(logging.ERROR)
# As `flask run` answers where threads or processes serve: with chunks.
WSGIRequestHandler.protocol_version = "HTTP/1.1"
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
server.serve_forever()
