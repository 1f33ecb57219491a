"""The common part of the programs that run a stack from Python. They read commands as lines of JSON from standard input, and
write responses and events as lines of JSON to standard output. stack_peer_test.go describes the format."""

import json
import sys
import threading
import zlib

HIGH = 1 << 20  # limit in bytes of a channel's buffered amount
WRITING = threading.Lock()

# The pattern of the test's messages repeats after 64 KiB: byte i is i*31 + i/256 + seed, modulo 256.
PERIOD = 1 << 16
BLOCK = bytes((i * 31 + (i >> 8)) & 255 for i in range(PERIOD))


def pattern(size, seed):
    """pattern returns size bytes that depend on the seed; the test has the same function."""
    block = BLOCK.translate(bytes((i + seed) & 255 for i in range(256)))
    return (block * (size // PERIOD + 1))[:size]


def tell(**what):
    """tell writes a response or an event."""
    line = json.dumps(what) + "\n"
    with WRITING:
        sys.stdout.write(line)
        sys.stdout.flush()


class Receiver:
    """Receiver handles the received messages of one channel in a mode: "report" reports each to the test, "echo" sends each
    back, "count" reports one checksum of a given number of bytes."""

    def __init__(self, label, send):
        self.label = label
        self.send = send
        self.mode = "report"
        self.left = self.sum = 0

    def set_mode(self, mode, size=0):
        self.mode = mode
        self.left = size
        self.sum = 0

    def message(self, data):
        text = isinstance(data, str)
        if self.mode == "echo":
            self.send(data)
            return
        payload = data.encode() if text else data
        if self.mode == "count":
            self.left -= len(payload)
            self.sum = zlib.crc32(payload, self.sum)
            if self.left <= 0:
                tell(event="counted", label=self.label, size=-self.left, sum=self.sum)
        else:
            tell(event="message", label=self.label, text=text, size=len(payload), sum=zlib.crc32(payload))


def content(command):
    """content returns the message of the command "send"."""
    if "text" in command:
        return command["text"]
    return pattern(command["size"], command["seed"])
