"""A WebSocket server and a client of the library websockets.

    websocket_peer.py server OPTIONS        listens on a free port of 127.0.0.1, prints it, and serves until its input ends
    websocket_peer.py client OPTIONS URL    connects to a server of the test, and exits with an error if a check fails

OPTIONS is JSON: compression is null or has the parameters of permessage-deflate, with the library's names; agreed is
whether the client must have agreed on compression.
"""

import asyncio
import json
import random
import sys

import websockets
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

MAX_SIZE = 16 << 20
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 300000]


def pieces(message):
    """pieces splits a message into the payloads of its frames, some of them empty."""
    step = max(len(message) // 7, 1)
    yield message[:0]
    for i in range(0, len(message), step):
        yield message[i:i + step]
    yield message[:0]


async def pieces_in_time(message):
    for piece in pieces(message):
        await asyncio.sleep(0)
        yield piece


async def serve_one(ws):
    """serve_one handles one client. The path is the command."""
    command, *arguments = ws.path.strip("/").split("/")
    try:
        if command == "echo":
            async for message in ws:
                await ws.send(message)
        elif command == "fragments":
            async for message in ws:
                await ws.send(pieces_in_time(message))
        elif command == "ping":
            for _ in range(10):
                await (await ws.ping())
            await ws.send("done")
            await ws.wait_closed()
        elif command == "close":  # by the server
            await ws.close(int(arguments[0]), arguments[1] if len(arguments) > 1 else "")
        elif command == "closed":  # by the client; the next client requests "last" for its code and reason
            await ws.wait_closed()
            closed.put_nowait([ws.close_code, ws.close_reason])
        elif command == "last":
            await ws.send(json.dumps(await closed.get()))
    except ConnectionClosed:
        pass


async def serve(options):
    global closed
    closed = asyncio.Queue()
    compression = options["compression"]
    extensions = [ServerPerMessageDeflateFactory(**compression)] if compression is not None else None
    async with websockets.serve(serve_one, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=MAX_SIZE,
                                subprotocols=["v1.chat"], ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def connect(url, options):
    compression = options["compression"]
    extensions = [ClientPerMessageDeflateFactory(**compression)] if compression is not None else None
    ws = await websockets.connect(url, compression=None, extensions=extensions, max_size=MAX_SIZE,
                                  subprotocols=["mqtt", "v1.chat"], ping_interval=None)
    assert ws.subprotocol == "v1.chat", ws.subprotocol
    assert bool(ws.extensions) == options["agreed"], ws.extensions
    return ws


async def client(options, url):
    random.seed(1)
    ws = await connect(url, options)
    for size in SIZES:
        text = "".join(random.choices("abcdefghij kl\u00e4\u20ac\U0001f642", k=size))
        for message in [text, random.randbytes(size)]:
            await ws.send(message)
            assert await ws.recv() == message, size
            await ws.send(pieces(message))
            assert await ws.recv() == message, size
            await ws.send(pieces_in_time(message))
            assert await ws.recv() == message, size
    # Many messages at once: the echoes are not read at first.
    messages = [str(i) * (i % 50) for i in range(1000)]

    async def send_all():
        for message in messages:
            await ws.send(message)
    sending = asyncio.create_task(send_all())
    for message in messages:
        assert await ws.recv() == message
    await sending
    for _ in range(10):
        await asyncio.wait_for(await ws.ping(), 30)
    await ws.close(4321, "a reason")
    assert (ws.close_code, ws.close_reason) == (4321, ""), (ws.close_code, ws.close_reason)  # echoed

    for code, reason in [(1000, ""), (1001, "gone"), (3000, "\u00fcn\u00efcode"), (4999, "r" * 123)]:
        ws = await connect(url, options)
        await ws.send(f"close {code} {reason}")
        try:
            message = await asyncio.wait_for(ws.recv(), 30)
            raise AssertionError(f"{code}: not closed, but {message}")
        except ConnectionClosed as e:
            assert e.rcvd is not None and (e.rcvd.code, e.rcvd.reason) == (code, reason), e
            assert e.rcvd_then_sent, "the client sent its close frame first"
        await asyncio.wait_for(ws.wait_closed(), 30)

    # A text message that is not valid UTF-8 closes the connection.
    ws = await connect(url, options)
    ws.transport.write(b"\x81\x82\x00\x00\x00\x00\xc3\x28")
    try:
        await asyncio.wait_for(ws.recv(), 30)
    except ConnectionClosed as e:
        assert e.rcvd.code == 1007, e
    await asyncio.wait_for(ws.wait_closed(), 30)


if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    if sys.argv[1] == "server":
        asyncio.run(serve(options))
    else:
        asyncio.run(client(options, sys.argv[3]))
