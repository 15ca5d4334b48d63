"""A DNS server on loopback that answers from a zone file, for tests and measurements that run whole programs.

    python tests/dns_server.py ZONE.json PORT

The file has the shape `mailctl diagnose --zone` takes: name -> list of {TYPE: value}, or TIMEOUT, and here SERVFAIL.
It is read again when it changes, so a test may change what the world says. A name that is absent does not exist.
`LOOPBACK` in the list of the name `.` makes every 127.a.b.c have a name of its own that leads back to it, except where
the file has the name.
"""

import asyncio
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL = 1
LOOPBACK = "LOOPBACK"
SUFFIX = "loopback.example"


def _names_of_loopback(name: str) -> list[dict[str, Any]] | None:
    """127.1.2.3 is 127-1-2-3.loopback.example, both ways."""
    if name.endswith(".in-addr.arpa"):
        octets = name.removesuffix(".in-addr.arpa").split(".")[::-1]
        return [{"PTR": f"{'-'.join(octets)}.{SUFFIX}."}] if octets[0] == "127" and len(octets) == 4 else None
    if name.endswith("." + SUFFIX):
        return [{"A": str(ipaddress.IPv4Address(name.removesuffix("." + SUFFIX).replace("-", ".")))}]
    return None


def _text(kind: str, value: Any) -> str:
    """Presentation format."""
    if kind == "TXT":
        whole = "".join(value) if isinstance(value, list) else str(value)
        pieces = [whole[at : at + 255] for at in range(0, len(whole), 255)] or [""]
        return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
    if kind == "MX":
        preference, host = value
        return f"{preference} {host.rstrip('.')}."
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


class Zone:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0
        self._names: dict[str, Any] = {}

    def answer(self, octets: bytes) -> bytes | None:
        """The reply; None is silence."""
        seen = self._path.stat().st_mtime_ns
        if seen != self._seen:
            read = json.loads(self._path.read_text())
            self._names, self._seen = {name.rstrip(".").lower(): rows for name, rows in read.items()}, seen
        query = dns.message.from_wire(octets)
        question = query.question[0]
        reply = dns.message.make_response(query, recursion_available=True)
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        for _ in range(10):
            rows = self._rows(name)
            if rows == "TIMEOUT":
                return None
            if rows == "SERVFAIL":
                reply.set_rcode(dns.rcode.SERVFAIL)
                break
            if rows is None:
                if not reply.answer:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                break
            found = [_text(kind, row[kind]) for row in rows if isinstance(row, dict) and kind in row]
            alias = next((row["CNAME"] for row in rows if isinstance(row, dict) and "CNAME" in row), None)
            if found or alias is None or kind == "CNAME":
                if found:
                    reply.answer.append(dns.rrset.from_text_list(name + ".", TTL, "IN", kind, found))
                break
            reply.answer.append(dns.rrset.from_text(name + ".", TTL, "IN", "CNAME", alias.rstrip(".") + "."))
            name = alias.rstrip(".").lower()
        return reply.to_wire(max_size=65_535)

    def _rows(self, name: str) -> Any:
        if name in self._names:
            return self._names[name]
        if LOOPBACK in self._names.get("", ()):
            rows = _names_of_loopback(name)
            if rows is not None:
                return rows
        # What lies between names that exist, exists.
        return [] if any(known.endswith("." + name) for known in self._names) else None


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, octets: bytes, peer: tuple[str, int]) -> None:
        reply = self._zone.answer(octets)
        if reply is not None and len(reply) > 1232:
            short = dns.message.from_wire(reply)
            short.answer.clear()
            short.flags |= dns.flags.TC
            reply = short.to_wire()
        if reply is not None:
            self._transport.sendto(reply, peer)


async def stream(zone: Zone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = zone.answer(await reader.readexactly(length))
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
    except asyncio.IncompleteReadError:
        writer.close()


async def serve(path: Path, port: int) -> None:
    zone = Zone(path)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Datagrams(zone), local_addr=("127.0.0.1", port))
    server = await asyncio.start_server(lambda reader, writer: stream(zone, reader, writer), "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
