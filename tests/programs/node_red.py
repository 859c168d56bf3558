"""Node-RED: the flow of the documentation, imported as it is there."""

import json
import unittest

import kit
from kit import BLUE, HOME, RED, ask, settings, wait_until

SETTINGS = "module.exports = {{ uiHost: '127.0.0.1', uiPort: {port}, flowFile: 'flows.json' }};"


class NodeRed(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.camera = self.start(kit.Camera, RED)
        port = kit.free_port()
        (self.folder / "settings.js").write_text(SETTINGS.format(port=port))
        flow = json.loads(settings("Node-RED", self.camera.port)[0])
        # What the editor's dialogue does: the nodes go onto a tab that is there.
        tab = {"id": "tab", "type": "tab", "label": "Camera"}
        (self.folder / "flows.json").write_text(json.dumps([tab, *({**node, "z": "tab"} for node in flow)]))
        words = [HOME / "node-red/node_modules/.bin/node-red", "--userDir", self.folder]
        self.program = self.start(kit.Program, words, self.folder)
        self.url = f"http://127.0.0.1:{port}"
        wait_until("Node-RED", lambda: kit.answers(f"{self.url}/picture"), self.program)

    def test_fetches_the_newest_picture(self):
        for colour in (BLUE, RED):
            self.camera.show(colour)
            wait_until("the picture", lambda: ask(f"{self.url}/picture") == self.camera.picture, self.program)

    def test_page_shows_the_stream(self):
        self.assert_browser_shows(f"{self.url}/camera", self.camera)


if __name__ == "__main__":
    unittest.main()
