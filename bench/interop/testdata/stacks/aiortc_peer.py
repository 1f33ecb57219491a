"""aiortc, driven by the test through stack_program."""

import asyncio
import json
import sys

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

from stack_program import HIGH, Receiver, content, pattern, tell


class Peer:
    def __init__(self, addresses):
        # By default aioice gathers no loopback addresses, which are the only ones that every machine has.
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channels = {}
        self.receivers = {}
        self.tasks = set()
        self.pc.on("connectionstatechange", lambda: tell(event="state", state=self.pc.connectionState))
        self.pc.on("datachannel", self.accept)

    def accept(self, channel):
        self.watch(channel)
        tell(event="channel", label=channel.label, protocol=channel.protocol, ordered=channel.ordered,
             maxRetransmits=channel.maxRetransmits, maxPacketLifeTime=channel.maxPacketLifeTime, stream=channel.id)
        if channel.readyState == "open":
            tell(event="open", label=channel.label)

    def watch(self, channel):
        label = channel.label
        receiver = Receiver(label, channel.send)
        self.channels[label], self.receivers[label] = channel, receiver
        channel.on("open", lambda: tell(event="open", label=label))
        channel.on("close", lambda: tell(event="closed", label=label))
        channel.on("message", receiver.message)

    async def describe(self, make):
        await self.pc.setLocalDescription(await make())
        return {"type": self.pc.localDescription.type, "sdp": self.pc.localDescription.sdp}

    async def offer(self, _):
        return await self.describe(self.pc.createOffer)

    async def remote(self, command):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=command["sdp"], type=command["type"]))
        if command["type"] == "offer":
            return await self.describe(self.pc.createAnswer)

    async def candidate(self, command):
        if not command["candidate"]:
            return  # aiortc 1.4 has no end-of-candidates indication
        candidate = candidate_from_sdp(command["candidate"].removeprefix("candidate:"))
        candidate.sdpMid = command["mid"]
        await self.pc.addIceCandidate(candidate)

    async def open(self, command):
        options = {name: command[name] for name in
                   ("protocol", "ordered", "maxRetransmits", "maxPacketLifeTime", "negotiated") if name in command}
        if command.get("negotiated"):
            options["id"] = command["stream"]
        channel = self.pc.createDataChannel(command["label"], **options)
        self.watch(channel)
        if channel.readyState == "open":
            tell(event="open", label=channel.label)

    async def mode(self, command):
        self.receivers[command["label"]].set_mode(command["mode"], command.get("size", 0))

    async def send(self, command):
        self.channels[command["label"]].send(content(command))

    async def bulk(self, command):
        """bulk sends many messages, and returns when the last one has been passed to the channel."""
        channel = self.channels[command["label"]]
        channel.bufferedAmountLowThreshold = HIGH // 2
        low = asyncio.Event()
        channel.on("bufferedamountlow", low.set)
        piece = pattern(command["size"], command["seed"])
        for _ in range(command["count"]):
            while channel.bufferedAmount > HIGH:
                low.clear()
                await low.wait()
            channel.send(piece)

    async def close(self, command):
        self.channels[command["label"]].close()

    async def end(self, _):
        await self.pc.close()

    async def handle(self, command):
        try:
            answer = await getattr(self, command["do"])(command)
            tell(id=command["id"], **(answer or {}))
        except Exception as e:
            tell(id=command["id"], error=f"{type(e).__name__}: {e}")


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peer = Peer(sys.argv[1:])
    while line := await reader.readline():
        command = json.loads(line)
        if command["do"] == "bulk":
            task = asyncio.ensure_future(peer.handle(command))
            peer.tasks.add(task)
            task.add_done_callback(peer.tasks.discard)
        else:
            await peer.handle(command)


asyncio.run(main())
