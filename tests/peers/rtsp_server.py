"""An RTSP server: /stream is a camera with H.264, /record takes what is recorded to it and says "recorded" with the first
picture.

usage: rtsp_server.py PORT
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

CAMERA = """( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1
    ! openh264enc gop-size=15 ! h264parse ! rtph264pay name=pay0 pt=96 )"""
RECORDER = "( rtph264depay name=depay0 ! h264parse ! openh264dec ! fakesink name=pictures signal-handoffs=true )"


def say_recorded(sink, *_):
    sink.props.signal_handoffs = False
    print("recorded", flush=True)


def listen(_factory, media):
    media.get_element().get_by_name("pictures").connect("handoff", say_recorded)


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=sys.argv[1])
    camera = GstRtspServer.RTSPMediaFactory(launch=CAMERA, shared=True)
    recorder = GstRtspServer.RTSPMediaFactory(launch=RECORDER, transport_mode=GstRtspServer.RTSPTransportMode.RECORD)
    recorder.connect("media-constructed", listen)
    mounts = server.get_mount_points()
    mounts.add_factory("/stream", camera)
    mounts.add_factory("/record", recorder)
    server.attach(None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
