"""What the programs of the stacks that are driven from Python have in common: commands come as lines of JSON on standard
input, answers and events leave as lines of JSON on standard output. stack_peer_test.go describes them."""

import json
import sys
import threading
import zlib

HIGH = 1 << 20  # bytes that may wait in a channel
WRITING = threading.Lock()

# The pattern of the test's messages repeats after 64 KiB: byte i is i*31 + i/256 + seed, modulo 256.
PERIOD = 1 << 16
BLOCK = bytes((i * 31 + (i >> 8)) & 255 for i in range(PERIOD))


def pattern(size, seed):
    """pattern returns size bytes that depend on the seed; the test has the same function."""
    block = BLOCK.translate(bytes((i + seed) & 255 for i in range(256)))
    return (block * (size // PERIOD + 1))[:size]


def tell(**what):
    """tell writes an answer or an event."""
    line = json.dumps(what) + "\n"
    with WRITING:
        sys.stdout.write(line)
        sys.stdout.flush()


class Receiver:
    """Receiver does with the messages of one channel what the test wants: "report" tells the test of each, "echo" sends
    each back as it came, "count" adds up a given number of bytes and reports their checksum."""

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
    """content returns the message that a command says to send."""
    if "text" in command:
        return command["text"]
    return pattern(command["size"], command["seed"])
