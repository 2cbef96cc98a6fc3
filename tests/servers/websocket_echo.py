"""The `websockets` server and client: messages of all kinds and lengths (records show 16 KiB), compressed and not, both ways."""
import asyncio
import random

import kit


def serve(host, port, _):
    from websockets.asyncio.server import serve as listen

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async def run():
        async with listen(echo, host, port) as server:
            await server.serve_forever()

    asyncio.run(run())


def note(message):
    """a message that was sent and came back: two records of its last frame, as text if it is"""
    if isinstance(message, str):
        for _ in range(2):
            kit.expect("websocket", fin=True, opcode="text", payload_printable=message)
    else:
        for _ in range(2):
            kit.expect("websocket", fin=True, opcode="binary")


async def talk(url, compression):
    from websockets.asyncio.client import connect

    r = random.Random(7)
    async with connect(url, compression=compression) as ws:
        for n in (20, 125, 126, 1000, 10000):
            for message in ("潮 tide \"x\" " * (n // 10), bytes(r.randrange(256) for _ in range(n))):
                await ws.send(message)
                assert await ws.recv() == message
                note(message)
    # Each side closes.
    for _ in range(2):
        kit.expect("websocket", fin=True, opcode="connection_close")


def drive(host, port, _):
    for compression in ("deflate", None):
        asyncio.run(talk(f"ws://{host}:{port}/", compression))


if __name__ == "__main__":
    kit.main(serve, drive)
