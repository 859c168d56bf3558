"""OctoPrint: its Classic Webcam, and a time lapse of a print on its virtual printer."""

import base64
import unittest

import kit
from kit import BLUE, GREEN, HOME, RED, ask, ask_json, fields, is_near, middle, settings, wait_until

# The form's fields, as the templates of the plugin show them, and the settings behind them.
KEYS = {"Stream URL": "stream", "Snapshot URL": "snapshot"}
# Beyond the first start's questions; asks nobody on the internet for plugins.
CONFIG = f"""
server: {{firstRun: false, onlineCheck: {{enabled: false}}, pluginBlacklist: {{enabled: false}}}}
api: {{key: {"0123456789abcdef" * 2}}}
plugins:
  virtual_printer: {{enabled: true}}
  _disabled: [announcements, discovery, pluginmanager, softwareupdate, tracking]
# Nobody has to log in, and the first tab is the one with the webcam.
accessControl: {{autologinLocal: true, autologinAs: me, autologinHeadsupAcknowledged: true}}
appearance: {{components: {{order: {{tab: [control]}}}}}}
webcam: {{ffmpeg: /usr/bin/ffmpeg, watermark: false}}
"""
# Ten seconds of print.
GCODE = b"G28\n" + 10 * b"G4 S1\n"


class OctoPrint(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.camera = self.start(kit.Camera, RED)
        (self.folder / "config.yaml").write_text(CONFIG)
        port = kit.free_port()
        program = [HOME / "octoprint/bin/octoprint", "--basedir", self.folder]
        user = self.start(kit.Program, [*program, *"user add --password secret --admin me".split()], self.folder)
        self.assertEqual(user.process.wait(), 0, user.output())
        serve = f"serve --iknowwhatimdoing --host 127.0.0.1 --port {port}".split()
        self.program = self.start(kit.Program, [*program, *serve], self.folder)
        self.url, self.access = f"http://127.0.0.1:{port}", {"X-Api-Key": "0123456789abcdef" * 2}
        wait_until("OctoPrint", lambda: kit.answers(f"{self.url}/online.txt"), self.program)
        entries = fields(settings("OctoPrint", self.camera.port)[0])
        self.webcam = {KEYS[label]: value for label, value in entries.items()}
        self.ask("settings", {"plugins": {"classicwebcam": self.webcam}})

    def ask(self, path, body=None):
        answer = ask(f"{self.url}/api/{path}", body, self.access)
        return kit.json.loads(answer) if answer else None

    def test_gets_the_snapshot(self):
        for colour in (RED, BLUE):
            self.show(colour)

    def show(self, colour):
        """Shows it, and waits until OctoPrint has it: it asks as the form's button "Test" does."""
        self.camera.show(colour)
        question = {"command": "url", "url": self.webcam["snapshot"], "method": "GET", "response": "bytes"}
        question |= {"timeout": 5, "validSsl": True, "content_type_whitelist": ["image/*"], "content_type_guess": True}
        wait_until("the snapshot", lambda: self.snapshot(question) == self.camera.picture, self.program)

    def snapshot(self, question):
        answer = self.ask("util/test", question)
        self.assertTrue(answer["result"], answer)
        return base64.b64decode(answer["response"]["content"])

    def test_makes_a_film_of_a_print(self):
        self.ask("connection", {"command": "connect", "port": "VIRTUAL"})
        wait_until("the printer", lambda: self.ask("connection")["current"]["state"] == "Operational", self.program)
        self.ask("timelapse", {"type": "timed", "interval": 1, "postRoll": 0, "fps": 5})
        self.show(GREEN)
        self.print()
        film = wait_until("the film", lambda: self.ask("timelapse")["files"], self.program)[0]
        data = ask(self.url + film["url"], headers=self.access)
        colour = middle(data, "qtdemux ! h264parse ! avdec_h264")
        self.assertTrue(is_near(colour, GREEN), colour)

    def print(self):
        """Uploads a file and prints it."""
        start = b'--b\r\nContent-Disposition: form-data; name="print"\r\n\r\ntrue\r\n'
        file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="part.gcode"\r\n\r\n' + GCODE
        headers = {**self.access, "Content-Type": "multipart/form-data; boundary=b"}
        ask(f"{self.url}/api/files/local", start + file + b"\r\n--b--\r\n", headers)

    def test_page_shows_the_stream(self):
        self.assert_browser_shows(self.url, self.camera)


if __name__ == "__main__":
    unittest.main()
