"""webrtcbin of GStreamer, driven by the test through stack_program: webrtcbin_peer.py (trickle|whole) ADDRESS…"""

import json
import re
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from stack_program import HIGH, Receiver, content, pattern, tell  # noqa: E402


def unless_unset(value):
    return None if value < 0 else value


class Peer:
    def __init__(self, candidates, addresses):
        self.whole = candidates == "whole"
        self.channels = {}
        self.receivers = {}
        self.replies = []
        self.pipeline = Gst.Pipeline()
        self.bin = Gst.ElementFactory.make("webrtcbin")
        self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.bin)
        # webrtcbin's own reference is floating. Python takes ownership of it, and would free the agent with its last one.
        self.agent = self.bin.get_property("ice-agent")
        for address in addresses:
            if not self.agent.emit("add-local-ip-address", address):
                raise ValueError(f"libnice does not take {address}")
        self.bin.connect("on-ice-candidate", self.local_candidate)
        self.bin.connect("on-data-channel", self.accept)
        self.bin.connect("notify::connection-state", self.state)
        self.pipeline.set_state(Gst.State.PLAYING)

    def state(self, *_):
        tell(event="state", state=self.bin.get_property("connection-state").value_nick)

    def local_candidate(self, _, section, candidate):
        if not self.whole:
            tell(event="candidate", candidate=candidate, mid=self.mid)

    def accept(self, _, channel):
        label = channel.get_property("label")
        tell(event="channel", label=label, protocol=channel.get_property("protocol"),
             ordered=channel.get_property("ordered"), stream=channel.get_property("id"),
             maxRetransmits=unless_unset(channel.get_property("max-retransmits")),
             maxPacketLifeTime=unless_unset(channel.get_property("max-packet-lifetime")))
        self.watch(channel, label)

    def watch(self, channel, label):
        def send(data):
            if isinstance(data, str):
                channel.emit("send-string", data)
            else:
                channel.emit("send-data", GLib.Bytes.new(data))

        receiver = Receiver(label, send)
        self.channels[label], self.receivers[label] = channel, receiver
        once = threading.Lock()

        def opened(*_):
            if once.acquire(blocking=False):
                tell(event="open", label=label)

        channel.connect("on-open", opened)
        channel.connect("on-close", lambda _: tell(event="closed", label=label))
        channel.connect("on-message-string", lambda _, text: receiver.message(text or ""))
        channel.connect("on-message-data", lambda _, data: receiver.message(data.get_data() or b"" if data else b""))
        if channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
            opened()

    def ask(self, signal, *args, field=None):
        """ask emits a signal that replies through a promise, and returns a field of the reply."""
        promise = Gst.Promise.new()
        self.bin.emit(signal, *args, promise)
        if promise.wait() != Gst.PromiseResult.REPLIED:
            raise RuntimeError(f"{signal} was not answered")
        reply = promise.get_reply()
        self.replies.append((promise, reply))  # they own the values in them
        if reply is not None and reply.has_field("error"):
            raise RuntimeError(f"{signal}: {reply.get_value('error')}")
        return reply.get_value(field) if field else None

    def describe(self, kind):
        description = self.ask(f"create-{kind}", None, field=kind)
        self.mid = re.search(r"^a=mid:(\S+)", description.sdp.as_text(), re.MULTILINE).group(1)
        self.ask("set-local-description", description)
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        while self.whole and self.bin.get_property("ice-gathering-state") != complete:
            time.sleep(0.001)
        return {"type": kind, "sdp": self.bin.get_property("local-description").sdp.as_text()}

    def offer(self, command):
        return self.describe("offer")

    def remote(self, command):
        _, message = GstSdp.SDPMessage.new_from_text(command["sdp"])
        offer = command["type"] == "offer"
        kind = GstWebRTC.WebRTCSDPType.OFFER if offer else GstWebRTC.WebRTCSDPType.ANSWER
        self.ask("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, message))
        if offer:
            return self.describe("answer")

    def candidate(self, command):
        self.bin.emit("add-ice-candidate", 0, command["candidate"])

    def open(self, command):
        options = Gst.Structure.new_empty("options")
        for name, field, kind in (("protocol", "protocol", str), ("ordered", "ordered", bool),
                                  ("maxRetransmits", "max-retransmits", int),
                                  ("maxPacketLifeTime", "max-packet-lifetime", int),
                                  ("negotiated", "negotiated", bool), ("stream", "id", int)):
            if name in command:
                options.set_value(field, kind(command[name]))
        channel = self.bin.emit("create-data-channel", command["label"], options)
        if channel is None:
            raise RuntimeError("create-data-channel has returned nothing")
        self.watch(channel, command["label"])

    def mode(self, command):
        self.receivers[command["label"]].set_mode(command["mode"], command.get("size", 0))

    def send(self, command):
        self.receivers[command["label"]].send(content(command))

    def bulk(self, command):
        channel = self.channels[command["label"]]
        piece = GLib.Bytes.new(pattern(command["size"], command["seed"]))
        for _ in range(command["count"]):
            while channel.get_property("buffered-amount") > HIGH:
                time.sleep(0.001)
            channel.emit("send-data", piece)

    def close(self, command):
        self.channels[command["label"]].emit("close")

    def end(self, _):
        self.pipeline.set_state(Gst.State.NULL)

    def handle(self, command):
        try:
            answer = getattr(self, command["do"])(command)
            tell(id=command["id"], **(answer or {}))
        except Exception as e:
            tell(id=command["id"], error=f"{type(e).__name__}: {e}")


Gst.init(None)
peer = Peer(sys.argv[1], sys.argv[2:])
for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "bulk":
        threading.Thread(target=peer.handle, args=(command,), daemon=True).start()
    else:
        peer.handle(command)
