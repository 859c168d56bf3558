"""Moonraker, which tells Mainsail and Fluidd of a printer's webcam."""

import unittest

import kit
from kit import HOME, RED, ask_json, settings, wait_until

CONFIG = """
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {folder}/klippy.sock

[authorization]
trusted_clients: 127.0.0.0/8

[machine]
provider: none
validate_service: False

"""


class Moonraker(kit.TestCase):
    def test_tells_of_the_webcam(self):
        camera = self.start(kit.Camera, RED)
        port = kit.free_port()
        (self.folder / "config").mkdir()
        config = CONFIG.format(port=port, folder=self.folder) + settings("Mainsail and Fluidd", camera.port)[0]
        (self.folder / "config/moonraker.conf").write_text(config)
        words = [HOME / "moonraker/bin/moonraker", "--datapath", self.folder]
        program = self.start(kit.Program, words, self.folder)
        url = f"http://127.0.0.1:{port}/server/webcams"
        wait_until("Moonraker", lambda: kit.answers(f"{url}/list"), program)
        webcam = ask_json(f"{url}/list")["result"]["webcams"][0]
        # What Moonraker found when it asked for the picture itself.
        found = ask_json(f"{url}/test?name=printer", b"")["result"]
        self.assertTrue(found["snapshot_reachable"], found)
        self.assertEqual(kit.ask(found["snapshot_url"]), camera.picture)
        # As Fluidd shows it; for the way in which Mainsail reads a stream see tests/browsers.rs.
        page = self.folder / "page.html"
        page.write_text(f'<img src="{webcam["stream_url"]}">')
        self.assert_browser_shows(page.as_uri(), camera)


if __name__ == "__main__":
    unittest.main()
