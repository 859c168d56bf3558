"""OBS Studio: a Media Source with the settings of the documentation, in the preview of its window."""

import json
import re
import unittest
from pathlib import Path

import kit
from kit import RED, fields, settings

LABELS = Path("/usr/share/obs/obs-plugins/obs-ffmpeg/locale/en-US.ini")
# The names of the labels, and the settings behind them.
KEYS = {"LocalFile": "is_local_file", "Input": "input", "InputFormat": "input_format", "BufferingMB": "buffering_mb"}
VALUES = {"no": False, "0 MB": 0}
FILES = {
    "global.ini": """[General]
FirstRun=true
LastVersion=486539266
EnableAutoUpdates=false
[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test
""",
    "basic/profiles/Test/basic.ini": """[General]
Name=Test
[Video]
BaseCX=320
BaseCY=240
OutputCX=320
OutputCY=240
""",
}


class Obs(kit.TestCase):
    def test_shows_the_stream(self):
        camera = self.start(kit.Camera, RED)
        entries = fields(settings("OBS", camera.port)[0])
        names = dict(re.findall(r'^(\w+)="(.*)"', LABELS.read_text(), re.MULTILINE))
        keys = {names[name]: key for name, key in KEYS.items()}
        source = {keys[label]: VALUES.get(value, value) for label, value in entries.items()}
        items = [{"name": "door", "id": 1, "visible": True}]
        scene = {"id": "scene", "name": "Scene", "settings": {"items": items}}
        media = {"id": "ffmpeg_source", "name": "door", "settings": source}
        collection = {"name": "Test", "current_scene": "Scene", "sources": [scene, media]}
        files = {**FILES, "basic/scenes/Test.json": json.dumps(collection)}
        for name, text in files.items():
            file = self.folder / ".config/obs-studio" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        screen = kit.Screen(self)
        environment = {"DISPLAY": screen.display, "XDG_RUNTIME_DIR": str(self.folder), "LIBGL_ALWAYS_SOFTWARE": "1"}
        program = self.start(kit.Program, ["obs", "--multi", "--collection", "Test"], self.folder, **environment)
        self.assert_window_shows(screen, program, camera)


if __name__ == "__main__":
    unittest.main()
