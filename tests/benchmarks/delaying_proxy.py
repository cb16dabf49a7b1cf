"""A TCP proxy that adds latency: `python delaying_proxy.py TARGET_PORT ROUND_TRIP_MS` prints its port."""

from __future__ import annotations

import asyncio
import sys


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass each piece on `seconds` after it came, in order."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(262_144):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def serve(target: int, seconds: float) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(hold(reader, far_writer, seconds), hold(far_reader, writer, seconds))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 2000.0))
