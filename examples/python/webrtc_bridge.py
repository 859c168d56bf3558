#!/usr/bin/env python3
"""Shows a camera to browsers by WebRTC: the pictures go as VP8 over UDP, at a fraction of the bandwidth of JPEG.

    webrtc_bridge.py URL [PORT]     then open http://127.0.0.1:PORT/ (default 8000, 0 = any free one)

A browser sends its offer by POST and gets the answer, as WHEP has it. Each viewer has a pipeline of its own, so that it
begins with a whole picture and has the rate that its way allows: that costs one encoder and one connection to the camera
for each. For a camera that serves one viewer only put a relay before it (docs/recipes.md). Works in the local network; to
reach further set `stun-server` of webrtcbin.

Debian packages: python3-gst-1.0, gir1.2-gst-plugins-bad-1.0, gstreamer1.0-plugins-bad, gstreamer1.0-nice.
"""

import http.server
import re
import socket
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """mjpegclientsrc name=camera ! jpegdec ! videoconvert ! queue max-size-buffers=1 leaky=downstream
    ! vp8enc deadline=1 cpu-used=8 error-resilient=partitions keyframe-max-dist=300 ! rtpvp8pay
    ! application/x-rtp,media=video,encoding-name=VP8,payload={payload} ! webrtcbin name=peer bundle-policy=max-bundle"""

PAGE = b"""<!DOCTYPE html>
<title>Camera</title>
<style>body { margin: 0; background: black } video { display: block; width: 100vw; height: 100vh; object-fit: fill }</style>
<video autoplay muted playsinline></video>
<script type="module">
const peer = new RTCPeerConnection();
peer.ontrack = (event) => { document.querySelector("video").srcObject = new MediaStream([event.track]); };
peer.addTransceiver("video", { direction: "recvonly" });
await peer.setLocalDescription();
while (peer.iceGatheringState !== "complete") {
    await new Promise((changed) => peer.addEventListener("icegatheringstatechange", changed, { once: true }));
}
const request = { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription.sdp };
const answer = await fetch("whep", request);
if (answer.ok) {
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    new EventSource(answer.headers.get("Location"));
} else {
    document.body.append(await answer.text());
}
</script>
"""

# nicesrc is what webrtcbin itself looks for.
ELEMENTS = ["mjpegclientsrc", "jpegdec", "vp8enc", "rtpvp8pay", "webrtcbin", "nicesrc"]

LIMIT_S = 10


class Viewer:
    """One browser: answers its offer, and stops when it has gone."""

    def __init__(self, url, offer):
        payload = re.search(r"a=rtpmap:(\d+) VP8/90000", offer)
        if payload is None:
            raise ValueError("the offer has no VP8")
        self._pipeline = Gst.parse_launch(PIPELINE.format(payload=payload[1]))
        self._pipeline.get_by_name("camera").props.location = url
        self._peer = self._pipeline.get_by_name("peer")
        self._gathered = threading.Event()
        self._peer.connect("notify::ice-gathering-state", self._gathering)
        self._peer.connect("notify::connection-state", self._connection)
        bus = self._pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._error)
        self._pipeline.set_state(Gst.State.PLAYING)
        try:
            self.answer = self._answer(offer)
        except Exception:
            self.stop()
            raise

    def _answer(self, offer):
        _, sdp = GstSdp.SDPMessage.new_from_text(offer)
        offer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, sdp)
        self._ask("set-remote-description", offer)
        # The answer is a part of the reply: without that it is gone.
        reply = self._ask("create-answer", None)
        self._ask("set-local-description", reply.get_value("answer"))
        # Where it can be reached belongs to the answer.
        if not self._gathered.wait(LIMIT_S):
            raise TimeoutError("no address was found in time")
        return self._peer.props.local_description.sdp.as_text()

    def _ask(self, what, value):
        promise = Gst.Promise.new()
        self._peer.emit(what, value, promise)
        promise.wait()
        return promise.get_reply()

    def _gathering(self, peer, _):
        if peer.props.ice_gathering_state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self._gathered.set()

    def _connection(self, peer, _):
        state = peer.props.connection_state
        print(f"viewer: {state.value_nick}", flush=True)
        if state in (GstWebRTC.WebRTCPeerConnectionState.FAILED, GstWebRTC.WebRTCPeerConnectionState.CLOSED):
            # Not from a thread of the pipeline.
            GLib.idle_add(self.stop)

    def _error(self, _, message):
        print(message.parse_error()[0].message, file=sys.stderr)
        self.stop()

    def stop(self):
        # Also lets go of it: its handlers hold this viewer.
        pipeline, self._pipeline, self._peer = self._pipeline, None, None
        if pipeline is not None:
            pipeline.get_bus().remove_signal_watch()
            pipeline.set_state(Gst.State.NULL)
        return GLib.SOURCE_REMOVE


def handler(url):
    viewers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/":
                self._reply(200, "text/html", PAGE)
            elif self.path in viewers:
                self._wait_for_the_end(viewers.pop(self.path))
            else:
                self.send_error(404)

        def do_POST(self):
            offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                viewer = Viewer(url, offer)
            except (GLib.Error, ValueError, TimeoutError) as error:
                self._reply(500, "text/plain", str(error).encode())
                return
            path = f"/whep/{id(viewer)}"
            viewers[path] = viewer
            self._reply(201, "application/sdp", viewer.answer.encode(), path)

        def _wait_for_the_end(self, viewer):
            """The page holds this connection as long as it is there; webrtcbin does not miss a browser that is gone."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, LIMIT_S)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                self.rfile.read(1)
            except OSError:
                pass
            print("viewer: gone", flush=True)
            GLib.idle_add(viewer.stop)

        def _reply(self, status, kind, body, location=None):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def main():
    if len(sys.argv) not in (2, 3) or not all(port.isdigit() for port in sys.argv[2:]):
        sys.exit("usage: webrtc_bridge.py URL [PORT], such as webrtc_bridge.py http://camera/stream 8000")
    Gst.init(None)
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer has no {', '.join(missing)}: are the packages that this file names and the plugin installed?")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int((sys.argv + ["8000"])[2])), handler(sys.argv[1]))
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
