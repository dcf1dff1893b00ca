"""A load generator for the loopback interface, with little work per request."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import cycle

Headers = dict[str, str]


@dataclass
class Tally:
    """What came of a load.

    Attributes:
        seconds: Latency of each answer, from the request's first byte to the last.
        statuses: How many answers of each status; 0 stands for none.
        received: Bytes, heads included.
        later: How many of the answers say to come back later.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    received: int = 0
    later: int = 0

    @property
    def errors(self) -> int:
        """Answers that are no success."""
        return sum(n for status, n in self.statuses.items() if not 200 <= status < 400)

    def quantile(self, share: float) -> float:
        """Latency below which that share of the answers lies, seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(
        self, path: str, headers: Headers, tally: Tally
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask and note; (0, {}, b"") when nobody answered."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(20):
                status, heads, body, size = await self._exchange(path, headers)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            status, heads, body, size = 0, {}, b"", 0
        tally.seconds.append(time.perf_counter() - began)
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        tally.received += size
        tally.later += status == 204 and "retry-after" in heads
        return status, heads, body

    async def _exchange(
        self, path: str, headers: Headers
    ) -> tuple[int, dict[str, str], bytes, int]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        lines = [f"GET {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").strip().split("\r\n")
        heads = {
            name.lower(): value
            for name, value in (line.split(": ", 1) for line in rest if ": " in line)
        }
        if heads.get("transfer-encoding") == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(heads.get("content-length", 0)))
        return int(first.split()[1]), heads, body, len(head) + len(body)

    def close(self) -> None:
        """Hang up."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return body


async def hammer(
    port: int, paths: list[str], headers: Headers, *, seconds: float, connections: int
) -> tuple[Tally, float]:
    """Ask as fast as it goes.

    Returns:
        The tally, and how long it took.
    """
    tally = Tally()
    began = time.perf_counter()
    queue = cycle(paths)

    async def one() -> None:
        connection = Connection(port)
        while time.perf_counter() - began < seconds:
            await connection.get(next(queue), headers, tally)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return tally, time.perf_counter() - began
