"""Home Assistant: its integration "MJPEG IP Camera", set up as its user interface does."""

import json
import unittest

import kit
from kit import BLUE, HOME, RED, Camera, Reader, ask, ask_json, fields, settings, wait_until

SITE = HOME / "home-assistant/lib/python3.11/site-packages/homeassistant/components"


class HomeAssistant(kit.TestCase):
    def setUp(self):
        super().setUp()
        port = kit.free_port()
        (self.folder / "configuration.yaml").write_text(f"http: {{server_host: 127.0.0.1, server_port: {port}}}\n")
        hass = HOME / "home-assistant/bin/hass"
        self.program = self.start(kit.Program, [hass, "--config", self.folder, "--skip-pip"], self.folder)
        self.url = f"http://127.0.0.1:{port}"
        wait_until("Home Assistant", lambda: kit.answers(f"{self.url}/api/onboarding"), self.program)
        self.access = {"Authorization": f"Bearer {self.log_in()}"}

    def log_in(self):
        """Makes the first user, as a new installation asks for."""
        client = f"{self.url}/"
        user = {"client_id": client, "name": "Me", "username": "me", "password": "secret", "language": "en"}
        code = ask_json(f"{self.url}/api/onboarding/users", user)["auth_code"]
        grant = {"client_id": client, "grant_type": "authorization_code", "code": code}
        return ask_json(f"{self.url}/auth/token", grant, form=True)["access_token"]

    def add(self, entries):
        """Adds an "MJPEG IP Camera" with these entries of its form, by the names that the form shows."""
        keys = self.keys("mjpeg")
        flows = f"{self.url}/api/config/config_entries/flow"
        flow = ask_json(flows, {"handler": "mjpeg"}, self.access)
        entry = {"name": "door", **{keys[label]: value for label, value in entries.items()}}
        answer = ask_json(f"{flows}/{flow['flow_id']}", entry, self.access)
        self.assertEqual(answer["type"], "create_entry", answer)
        return wait_until("the camera's entity", self.entity, self.program)

    def keys(self, integration):
        """The names that the form of an integration shows, and those of the entries behind them."""
        form = json.loads((SITE / integration / "translations/en.json").read_text())["config"]["step"]["user"]["data"]
        # Some go on with an example.
        return {label.split(" (")[0]: key for key, label in form.items()}

    def entity(self, name="camera.door"):
        states = ask_json(f"{self.url}/api/states", headers=self.access)
        return next((state for state in states if state["entity_id"] == name), None)

    def assert_works(self, camera, entries):
        entity = self.add(entries)
        for colour in (RED, BLUE):
            camera.show(colour)
            still = f"{self.url}/api/camera_proxy/camera.door"
            wait_until("the still picture", lambda: ask(still, headers=self.access) == camera.picture)
        # As the page of Home Assistant asks for the stream.
        stream = f"{self.url}/api/camera_proxy_stream/camera.door?token={entity['attributes']['access_token']}"
        self.assert_passes_on(self.start(Reader, stream), camera)

    def test_shows_stream_and_still_picture(self):
        camera = self.start(Camera, RED)
        self.assert_works(camera, fields(settings("Home Assistant", camera.port)[0]))

    def test_generic_camera_shows_the_still_picture(self):
        camera = self.start(Camera, RED)
        entries = fields(settings("Home Assistant", camera.port)[1])
        keys, flows = self.keys("generic"), f"{self.url}/api/config/config_entries/flow"
        flow = ask_json(flows, {"handler": "generic"}, self.access)
        # What the form has by itself is in its answer, as a browser would send it back.
        entry = {field["name"]: field["default"] for field in flow["data_schema"] if "default" in field}
        entry |= {keys[label]: int(value) if value.isdigit() else value for label, value in entries.items()}
        preview = ask_json(f"{flows}/{flow['flow_id']}", entry, self.access)
        self.assertEqual(preview["step_id"], "user_confirm_still", preview)
        made = ask_json(f"{flows}/{flow['flow_id']}", {"confirmed_ok": True}, self.access)
        self.assertEqual(made["type"], "create_entry", made)
        name = "camera." + made["title"]
        wait_until("the camera's entity", lambda: self.entity(name), self.program)
        for colour in (RED, BLUE):
            camera.show(colour)
            still = f"{self.url}/api/camera_proxy/{name}"
            wait_until("the still picture", lambda: ask(still, headers=self.access) == camera.picture)

    def test_knows_the_password(self):
        camera = self.start(Camera, RED, "user-id=me user-pw=secret")
        entries = fields(settings("Home Assistant", camera.port)[0])
        self.assert_works(camera, {**entries, "Username": "me", "Password": "secret"})


if __name__ == "__main__":
    unittest.main()
