"""What the tests of programs share: a camera of one colour, somebody who reads a stream, and programs that end."""

import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402 F401 (GstApp gives appsrc and appsink their methods)

Gst.init(None)

# Where scripts/test-programs has put the programs.
HOME = Path(os.environ["MJPEGHTTP_PROGRAMS"])
# Longest wait, in seconds. Chosen: several times what the slowest program takes to start on two busy cores.
PATIENCE = 120
# Pictures a second of the camera.
RATE = 15
RED, GREEN, BLUE = (0xC0, 0x20, 0x20), (0x20, 0xA0, 0x20), (0x20, 0x20, 0xC0)


def settings(heading, port):
    """The blocks of settings below a heading of docs/applications.md, for the camera at this port."""
    docs = (Path(__file__).parents[2] / "docs/applications.md").read_text()
    section = docs.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    # Lines that are indented, with the empty ones between them.
    blocks = re.findall(r"(?:^(?:    .*)?\n)*^    .*\n", section, re.MULTILINE)
    lines = [[line[4:] for line in block.strip("\n").split("\n")] for block in blocks]
    here = f"127.0.0.1:{port}"
    return ["\n".join(block).replace("HOST:8080", here).replace("127.0.0.1:8080", here) + "\n" for block in lines]


def fields(block):
    """The lines "Label:   value" of a block of settings."""
    return dict(re.findall(r"^([^:\n]+): +(.+)$", block, re.MULTILINE))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, is_so, program=None):
    """Asks again and again; the program has to run all the while. Gives what the question gave at last."""
    end = time.monotonic() + PATIENCE
    while True:
        if answer := is_so():
            return answer
        if program and program.process.poll() is not None:
            raise AssertionError(f"{what}: the program has ended\n{program.output()}")
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s in vain for {what}\n{program.output() if program else ''}")
        time.sleep(0.1)


def ask(url, body=None, headers=None, form=False):
    """What a server answers, as bytes; with a body it is a POST, of JSON or of a form."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        body = (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
    request = urllib.request.Request(url, body, headers)
    try:
        return urllib.request.urlopen(request, timeout=30).read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error} {error.read()[:500]}") from None


def ask_json(*arguments, **options):
    return json.loads(ask(*arguments, **options))


def answers(url):
    """Whether a server is there; one that only begins may answer with what is no HTTP."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return urllib.request.urlopen(url, timeout=5).status == 200


def listens(port):
    """Whether somebody takes connections at this port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True


def picture(colour, size=(320, 240)):
    """A JPEG picture of one colour."""
    argb = int.from_bytes((0xFF, *colour))
    return run_once(
        f"videotestsrc num-buffers=1 pattern=solid-color foreground-color={argb}"
        f" ! video/x-raw,width={size[0]},height={size[1]} ! jpegenc quality=95 ! appsink name=sink"
    )


def middle(image, decoder="jpegdec"):
    """The colour in the middle of a picture."""
    pixels = run_once(
        f"appsrc name=source ! {decoder} ! videoconvert ! videoscale ! video/x-raw,format=RGB,width=64,height=64"
        " ! appsink name=sink",
        image,
    )
    at = 3 * (32 * 64 + 32)
    return tuple(pixels[at : at + 3])


def is_near(pixel, colour):
    # Colours are changed twice on the way, by encoders and by what converts them; any two of ours are 0x60 apart.
    return all(abs(a - b) < 0x30 for a, b in zip(pixel, colour, strict=True))


def run_once(line, data=None):
    """What comes first out of a pipeline, into which this goes."""
    pipeline = Gst.parse_launch(line)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        if data is not None:
            source = pipeline.get_by_name("source")
            source.emit("push-buffer", Gst.Buffer.new_wrapped(data))
            source.emit("end-of-stream")
        return bytes_of(pipeline.get_by_name("sink").emit("try-pull-sample", 10 * Gst.SECOND))
    finally:
        pipeline.set_state(Gst.State.NULL)


def bytes_of(sample):
    assert sample, "no picture came"
    buffer = sample.get_buffer()
    return buffer.extract_dup(0, buffer.get_size())


class Camera:
    """A mjpegserversink whose picture has one colour, fifteen times a second, until it is given another."""

    def __init__(self, colour, sink=""):
        self.pipeline = Gst.parse_launch(
            "appsrc name=source is-live=true do-timestamp=true format=time caps=image/jpeg"
            f" ! mjpegserversink name=sink port=0 {sink}"
        )
        self.pipeline.set_state(Gst.State.PLAYING)
        self.sink = self.pipeline.get_by_name("sink")
        self.port = self.sink.get_property("current-port")
        self.show(colour)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def show(self, colour):
        self.colour, self.picture = colour, picture(colour)

    def run(self):
        source = self.pipeline.get_by_name("source")
        while not self.stopping.wait(1 / RATE):
            source.emit("push-buffer", Gst.Buffer.new_wrapped(self.picture))

    def viewers(self):
        return self.sink.get_property("num-clients")

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.pipeline.set_state(Gst.State.NULL)


class Reader:
    """A mjpegclientsrc that reads from a program."""

    def __init__(self, url, properties=""):
        self.pipeline = Gst.parse_launch(
            f'mjpegclientsrc name=source location="{url}" {properties}'
            " ! appsink name=sink sync=false max-buffers=1 drop=true"
        )
        self.pipeline.set_state(Gst.State.PLAYING)

    def picture(self):
        sample = self.pipeline.get_by_name("sink").emit("try-pull-sample", 10 * Gst.SECOND)
        error = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        assert not error, error.parse_error()
        return bytes_of(sample)

    def figure(self, name):
        return self.pipeline.get_by_name("source").get_property("stats").get_value(name)

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)


class Program:
    """A program and all that it starts, in a folder for its output; it ends with the test."""

    numbers = itertools.count()

    def __init__(self, words, folder, **environment):
        self.log = folder / f"{next(Program.numbers)}.log"
        # Neither our plugin nor anybody's proxy is any of its business.
        clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words,
                cwd=folder,
                env={**clean, "HOME": str(folder), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def output(self):
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Screen:
    """An X server without a screen, and eyes for it."""

    def __init__(self, test):
        read, write = os.pipe()
        words = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
        process = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL)
        test.addCleanup(process.wait)
        test.addCleanup(process.terminate)
        os.close(write)
        with os.fdopen(read) as display:
            self.display = f":{display.readline().strip()}"

    def shows(self, colour):
        """Whether a picture of 320x240 or more in this colour is on the screen."""
        pixels = run_once(
            f"ximagesrc display-name={self.display} use-damage=false show-pointer=false num-buffers=1 ! videoconvert"
            " ! videoscale method=nearest-neighbour ! video/x-raw,format=RGB,width=64,height=48 ! appsink name=sink"
        )
        near = sum(is_near(pixels[at : at + 3], colour) for at in range(0, len(pixels), 3))
        return near >= 0.08 * 64 * 48


# As tests/common/browser.rs starts it.
CHROMIUM = """chromium --kiosk --window-position=0,0 --window-size=1024,768 --no-sandbox --disable-gpu --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --disable-quic --password-store=basic"""


class TestCase(unittest.TestCase):
    """One that has a folder and ends what it started."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mjpeghttp-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, kind, *arguments, **options):
        """A Camera, a Reader or a Program, until the end of the test."""
        started = kind(*arguments, **options)
        self.addCleanup(started.stop)
        return started

    def assert_browser_shows(self, url, camera):
        """Chromium shows the camera's pictures on this page."""
        words = [*CHROMIUM.split(), f"--user-data-dir={self.folder / 'chromium'}", url]
        screen = Screen(self)
        self.assert_window_shows(screen, self.start(Program, words, self.folder, DISPLAY=screen.display), camera)

    def assert_window_shows(self, screen, program, camera):
        for colour in (BLUE, RED):
            camera.show(colour)
            wait_until(f"{colour} on the screen", lambda colour=colour: screen.shows(colour), program)

    def assert_passes_on(self, reader, camera):
        """The reader gets the camera's very bytes, and those of its next picture."""
        for colour in (RED, BLUE):
            camera.show(colour)
            wait_until(f"the bytes of {colour}", lambda: reader.picture() == camera.picture)
        self.assertEqual((reader.figure("damaged"), reader.figure("foreign")), (0, 0))

    def assert_shows(self, reader, camera):
        """The reader gets pictures of the camera's colour, however they were coded on the way."""
        for colour in (RED, BLUE):
            camera.show(colour)
            wait_until(f"pictures of {colour}", lambda colour=colour: is_near(middle(reader.picture()), colour))
        self.assertEqual(reader.figure("damaged"), 0)
