"""
A long line to an exchange on this machine: `python -m tests.benchmarks.slow_line URL SECONDS`.

Passes bytes on both ways and lets every answer arrive that much later, as from across an ocean. Prints its own address.
"""

import asyncio
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 16


async def serve(url: str, seconds: float) -> None:
    """Listen until cancelled; each connection gets one of its own to the exchange."""
    parts = urlsplit(url)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(_pass_on(reader, far_writer, 0.0), _pass_on(far_reader, writer, seconds))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Each piece waits its own time: a long answer is as late as a short one, not a multiple of it."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def receive() -> None:
        piece = b" "
        while piece:
            piece = await reader.read(PIECE_BYTES)
            pieces.put_nowait((loop.time() + delay, piece))

    async def send() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(due - loop.time(), 0))
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    try:
        await asyncio.gather(receive(), send())
    except ConnectionError:
        writer.close()


def main(arguments: Sequence[str]) -> None:
    url, seconds = arguments
    asyncio.run(serve(url, float(seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
