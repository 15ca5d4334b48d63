"""FETCH and UID FETCH. RFC 9051 §6.4.5.

What the index knows is rendered here; envelopes, structures and contents are read and rendered in a store thread, a
chunk at a time, so that no list of bodies is ever held. What is larger than a chunk is sent in pieces from its file.
"""

import os
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection

from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mail.imap import sections
from mail.imap.bodystructure import non_extended
from mail.imap.commands.fetch import Fetch, Item
from mail.imap.flags import render_flags
from mail.imap.index import Index
from mail.imap.responses import Reply, bad, no
from mail.imap.sections import Section, Span, select_fields
from mail.imap.sequence import positions_of_uids, render_sequence
from mail.message.text import decode_transfer
from mail.store import messages
from mail.store.blobs import BlobStore
from mail.store.changes import Changes
from mail.store.flags import SEEN
from mail.store.message_changes import store_flags
from mail.store.messages import Content

ROWS = 2000
OCTETS = 1 << 20
PIECE = 256 << 10
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FROM_INDEX = frozenset({"FLAGS", "INTERNALDATE", "RFC822.SIZE", "UID", "MODSEQ"})
FROM_SUMMARY = frozenset({"ENVELOPE", "BODYSTRUCTURE", "BODY"})


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets that are too many to hold: to be sent from the open file, which is closed then."""

    descriptor: int
    start: int
    length: int


class UnknownEncoding(Exception):
    """BINARY of a part whose transfer encoding nobody knows. RFC 3516 §4.3."""


async def run(session: Session, command: Fetch) -> Reply | None:
    selected = session.selected
    assert selected is not None
    if command.vanished and "QRESYNC" not in session.enabled:
        return bad("VANISHED needs ENABLE QRESYNC first")
    kinds = {item.kind for item in command.items}
    if command.changed_since is not None or "MODSEQ" in kinds:
        session.use_condstore()
    seen = await _mark_seen(session, selected, command)
    if command.vanished:
        await _tell_vanished(session, selected, command)
    positions = selected.positions(command.messages, uid=command.uid)
    if command.changed_since is not None:
        modseqs = selected.index.modseqs
        positions = [place for place in positions if modseqs[place] > command.changed_since]
    if not positions:
        return None
    items = _with_implied(command, seen, condstore="CONDSTORE" in session.enabled)
    try:
        if kinds <= FROM_INDEX:
            await _from_index(session, selected.index, positions, items)
        elif kinds <= FROM_INDEX | FROM_SUMMARY:
            await _from_summaries(session, selected, positions, items)
        else:
            await _from_contents(session, selected, positions, items)
    except UnknownEncoding as error:
        return no("UNKNOWN-CTE", f"Unknown transfer encoding {error}.")
    return None


def _with_implied(command: Fetch, seen: bool, *, condstore: bool) -> tuple[Item, ...]:
    """UID in a UID FETCH, FLAGS where they changed, MODSEQ where it was asked for by CHANGEDSINCE."""
    items = command.items
    kinds = [item.kind for item in items]
    if seen and "FLAGS" not in kinds:
        items = (*items, Item("FLAGS", b"FLAGS"))
        if condstore and "MODSEQ" not in kinds:
            items = (*items, Item("MODSEQ", b"MODSEQ"))
    if command.changed_since is not None and "MODSEQ" not in [item.kind for item in items]:
        items = (*items, Item("MODSEQ", b"MODSEQ"))
    if command.uid and "UID" not in kinds:
        items = (Item("UID", b"UID"), *items)
    return items


async def _mark_seen(session: Session, selected: Selected, command: Fetch) -> bool:
    """Reading a body sets \\Seen; the new flags are told in the same FETCH."""
    if selected.read_only or all(item.peek for item in command.items):
        return False
    index = selected.index
    positions = selected.positions(command.messages, uid=command.uid)
    uids = [index.uids[place] for place in positions if not index.flags[place] & SEEN]
    if not uids:
        return False
    await session.change(_add_seen, selected, uids)
    await session.catch_up(uid=command.uid, keeps_numbers=not command.uid, quiet=uids)
    return True


def _add_seen(changes: Changes, selected: Selected, uids: list[int]) -> None:
    store_flags(changes.account(selected.account_id), selected.mailbox_id, uids, add=SEEN)


async def _tell_vanished(session: Session, selected: Selected, command: Fetch) -> None:
    """RFC 7162 §3.2.6: what of the set was expunged since then."""
    gone = await session.read(
        messages.vanished_uids, selected.account_id, selected.mailbox_id, command.changed_since or 0
    )
    column = array("I", gone)
    among = [gone[place] for place in positions_of_uids(command.messages, column)]
    if among:
        session.write(b"* VANISHED (EARLIER) %b\r\n" % render_sequence(among))


def internal_date(at_ms: int) -> bytes:
    """date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE"""
    year, month, day, hour, minute, second, *_ = time.gmtime(at_ms // 1000)
    return f'INTERNALDATE "{day:2d}-{MONTHS[month - 1]}-{year:04d} {hour:02d}:{minute:02d}:{second:02d} +0000"'.encode()


def _column(index: Index, kind: str, positions: Sequence[int]) -> list[bytes]:
    """One item of many messages."""
    match kind:
        case "FLAGS":
            flags, keywords = index.flags, index.keywords
            return [b"FLAGS (%b)" % render_flags(flags[place], keywords[place]) for place in positions]
        case "UID":
            return [b"UID %d" % index.uids[place] for place in positions]
        case "RFC822.SIZE":
            return [b"RFC822.SIZE %d" % index.sizes[place] for place in positions]
        case "MODSEQ":
            return [b"MODSEQ (%d)" % index.modseqs[place] for place in positions]
        case _:
            return [internal_date(index.received_at[place]) for place in positions]


async def _from_index(session: Session, index: Index, positions: Sequence[int], items: tuple[Item, ...]) -> None:
    for first in range(0, len(positions), ROWS):
        chunk = positions[first : first + ROWS]
        session.write(_lines(chunk, [_column(index, item.kind, chunk) for item in items]))
        await session.flush()


def _lines(positions: Sequence[int], columns: list[list[bytes]]) -> bytes:
    if len(columns) == 1:
        found = [b"* %d FETCH (%b)\r\n" % (place + 1, one) for place, one in zip(positions, columns[0], strict=True)]
    else:
        rows = zip(*columns, strict=True)
        found = [
            b"* %d FETCH (%b)\r\n" % (place + 1, b" ".join(row)) for place, row in zip(positions, rows, strict=True)
        ]
    return b"".join(found)


async def _from_summaries(
    session: Session, selected: Selected, positions: Sequence[int], items: tuple[Item, ...]
) -> None:
    for first in range(0, len(positions), ROWS):
        chunk = positions[first : first + ROWS]
        session.write(await session.read(_render_summaries, selected, chunk, items))
        await session.flush()


def _render_summaries(
    connection: Connection, selected: Selected, positions: Sequence[int], items: tuple[Item, ...]
) -> bytes:
    index = selected.index
    uids = [index.uids[place] for place in positions]
    wanted = None if len(uids) == len(index) else uids
    found = {row[0]: row for row in messages.summaries(connection, selected.account_id, selected.mailbox_id, wanted)}
    # Expunged by another session: left out, its number stays until it may be told.
    there = [place for place in positions if index.uids[place] in found]
    rows = [found[index.uids[place]] for place in there]
    columns: list[list[bytes]] = []
    for item in items:
        if item.kind == "ENVELOPE":
            columns.append([b"ENVELOPE " + row[1] for row in rows])
        elif item.kind == "BODYSTRUCTURE":
            columns.append([b"BODYSTRUCTURE " + row[2] for row in rows])
        elif item.kind == "BODY":
            columns.append([b"BODY " + non_extended(row[2]) for row in rows])
        else:
            columns.append(_column(index, item.kind, there))
    return _lines(there, columns)


async def _from_contents(
    session: Session, selected: Selected, positions: Sequence[int], items: tuple[Item, ...]
) -> None:
    blobs = session.service.blobs
    for chunk in _chunks(selected.index, positions):
        for piece in await session.read(_render_contents, blobs, selected, chunk, items):
            if isinstance(piece, bytes):
                session.write(piece)
            else:
                await _send_piece(session, piece)
        await session.flush()


def _chunks(index: Index, positions: Sequence[int]) -> "list[list[int]]":
    """Runs of messages that together fit into what may be held."""
    chunks: list[list[int]] = []
    room = 0
    for place in positions:
        size = index.sizes[place]
        if not chunks or size > room or len(chunks[-1]) >= ROWS:
            chunks.append([])
            room = OCTETS
        chunks[-1].append(place)
        room -= size
    return chunks


async def _send_piece(session: Session, piece: Piece) -> None:
    try:
        at, end = piece.start, piece.start + piece.length
        while at < end:
            octets = await session.in_thread(os.pread, piece.descriptor, min(PIECE, end - at), at)
            if not octets:
                # The announced octets must come, or the client would take what follows for them.
                session.bye("[SERVERBUG] A message could not be read")
                return
            session.write(octets)
            await session.flush()
            at += len(octets)
    finally:
        os.close(piece.descriptor)


def _render_contents(
    connection: Connection,
    blobs: BlobStore,
    selected: Selected,
    positions: Sequence[int],
    items: tuple[Item, ...],
) -> list[bytes | Piece]:
    index = selected.index
    uids = [index.uids[place] for place in positions]
    found = {row.uid: row for row in messages.contents(connection, selected.account_id, selected.mailbox_id, uids)}
    summaries: dict[int, tuple[int, bytes, bytes]] = {}
    if any(item.kind in FROM_SUMMARY for item in items):
        rows = messages.summaries(connection, selected.account_id, selected.mailbox_id, uids)
        summaries = {row[0]: row for row in rows}
    out: list[bytes | Piece] = []
    for place, uid in zip(positions, uids, strict=True):
        if uid not in found:
            continue
        message = _Message(found[uid], blobs)
        try:
            out.append(b"* %d FETCH (" % (place + 1))
            for number, item in enumerate(items):
                if number:
                    out.append(b" ")
                out += _one(index, place, item, message, summaries.get(uid))
            out.append(b")\r\n")
        finally:
            message.close()
    return _joined(out)


def _joined(parts: list[bytes | Piece]) -> list[bytes | Piece]:
    """Neighbouring octets as one."""
    out: list[bytes | Piece] = []
    held: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            held.append(part)
            continue
        out += [b"".join(held), part]
        held = []
    return [*out, b"".join(held)]


def _one(
    index: Index, place: int, item: Item, message: "_Message", summary: tuple[int, bytes, bytes] | None
) -> list[bytes | Piece]:
    if item.kind in FROM_INDEX:
        return list(_column(index, item.kind, (place,)))
    if item.kind in FROM_SUMMARY:
        assert summary is not None
        text = {"ENVELOPE": summary[1], "BODYSTRUCTURE": summary[2]}.get(item.kind)
        return [item.label, b" ", text if text is not None else non_extended(summary[2])]
    if item.kind == "SECTION":
        return [item.label, b" ", *message.section(item)]
    return [item.label, b" ", message.binary(item)]


class _Message:
    """The octets of one message: its prefix, and its blob in memory or in a file that is opened when needed."""

    __slots__ = ("_blobs", "_content", "_descriptor")

    def __init__(self, content: Content, blobs: BlobStore) -> None:
        self._content = content
        self._blobs = blobs
        self._descriptor = -1

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        if self._descriptor < 0:
            self._descriptor = self._blobs.open(self._content.folder, self._content.blob_id)
        return self._descriptor

    def _octets(self, start: int, end: int) -> bytes:
        whole = self._content.octets
        return whole[start:end] if whole is not None else os.pread(self._open(), max(0, end - start), start)

    @property
    def _structure(self) -> sections.Part:
        structure: sections.Part = orjson.loads(self._content.structure)
        return structure

    def _span(self, section: Section) -> Span | None:
        if not section.path and section.what == sections.WHOLE:
            return Span(0, self._content.blob_size, prefixed=True)
        plain = replace(section, what=sections.HEADER) if section.fields else section
        return sections.span(self._structure, plain)

    def section(self, item: Item) -> list[bytes | Piece]:
        """The nstring of BODY[section]<partial>."""
        span = self._span(item.section)
        if span is None:
            return [b"NIL"]
        if item.section.fields:
            prefix = self._content.prefix if span.prefixed else b""
            octets = select_fields(prefix + self._octets(span.start, span.end), item.section)
            return [_literal(_partial(octets, item))]
        prefix = self._content.prefix if span.prefixed else b""
        length = len(prefix) + span.end - span.start
        start = min(item.start, length)
        end = length if item.count is None else min(length, start + item.count)
        if end - start > OCTETS and self._content.octets is None:
            return self._in_pieces(prefix, span, start, end)
        head = prefix[start:end]
        rest = self._octets(span.start + max(0, start - len(prefix)), span.start + max(0, end - len(prefix)))
        return [_literal(head + rest)]

    def _in_pieces(self, prefix: bytes, span: Span, start: int, end: int) -> list[bytes | Piece]:
        head = prefix[start:end]
        from_blob = span.start + max(0, start - len(prefix))
        descriptor = os.dup(self._open())
        return [b"{%d}\r\n" % (end - start) + head, Piece(descriptor, from_blob, end - start - len(head))]

    def binary(self, item: Item) -> bytes:
        """BINARY[part] without its transfer encoding, or its size."""
        octets = self._decoded(item.section)
        if octets is None:
            return b"0" if item.kind == "BINARY.SIZE" else b"NIL"
        if item.kind == "BINARY.SIZE":
            return b"%d" % len(octets)
        octets = _partial(octets, item)
        # literal8 where there is a NUL: RFC 3516 §4.2.
        return (b"~" if b"\0" in octets else b"") + _literal(octets)

    def _decoded(self, section: Section) -> bytes | None:
        if not section.path:
            return self._content.prefix + self._octets(0, self._content.blob_size)
        part = sections.find_part(self._structure, section.path)
        if part is None:
            return None
        encoding = "" if "p" in part or "m" in part else str(part.get("e", ""))
        octets = decode_transfer(self._octets(*part["b"]), encoding)
        if octets is None:
            raise UnknownEncoding(encoding)
        return octets


def _partial(octets: bytes, item: Item) -> bytes:
    if item.start or item.count is not None:
        return octets[item.start :] if item.count is None else octets[item.start : item.start + item.count]
    return octets


def _literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)
