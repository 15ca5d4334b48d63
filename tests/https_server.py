"""A web server on loopback that answers what a test wants, for whoever fetches.

async with running_https(context, b"version: STSv1\\n…") as server:
    … server.port … server.requests
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


@dataclass
class HttpsServer:
    """`answer` is a body, or makes the whole of what is written from the request's path; None: silence."""

    answer: bytes | Callable[[str], bytes | None]
    media_type: str = "text/plain"
    drip_seconds: float = 0.0
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            octets = self._octets(request.split(" ")[1])
            if octets is None:
                await reader.read()
                return
            step = 1 if self.drip_seconds else len(octets)
            for at in range(0, len(octets), max(step, 1)):
                writer.write(octets[at : at + step])
                await writer.drain()
                await asyncio.sleep(self.drip_seconds)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    def _octets(self, path: str) -> bytes | None:
        return self.answer(path) if callable(self.answer) else answered(self.answer, media_type=self.media_type)


def answered(body: bytes, *fields: str, status: int = 200, media_type: str = "text/plain") -> bytes:
    """A whole HTTP answer."""
    head = [f"HTTP/1.1 {status} Some words", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def running_https(
    context: ssl.SSLContext, answer: bytes | Callable[[str], bytes | None], **more: object
) -> AsyncIterator[HttpsServer]:
    """A server on 127.0.0.1, at a port of its own."""
    serving = HttpsServer(answer, **more)  # type: ignore[arg-type]
    server = await asyncio.start_server(serving.serve, "127.0.0.1", 0, ssl=context)
    serving.port = server.sockets[0].getsockname()[1]
    try:
        yield serving
    finally:
        server.close()
        await server.wait_closed()
