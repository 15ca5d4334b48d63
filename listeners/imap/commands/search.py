"""SEARCH and UID SEARCH. RFC 9051 §6.4.4; results as ESEARCH (§7.3.4) or as of old (RFC 3501 §7.2.5).

One read transaction in a store thread answers a search. Keys narrow the candidates from the cheapest to the dearest:
what the index knows, then what the database stores beside a message, then the contents.
"""

import time
from collections.abc import Callable, Iterable

import orjson
from sqlalchemy import Connection

from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mail.imap.commands.search import (
    CHARSETS,
    All,
    And,
    Date,
    Flag,
    Key,
    Keyword,
    Messages,
    Modseq,
    Not,
    Or,
    Search,
    Size,
    Text,
    uses_modseq,
)
from mail.imap.matching import any_header_contains, body_contains, header_contains
from mail.imap.responses import Reply, no
from mail.imap.sequence import render_sequence
from mail.imap.summary import folded
from mail.store import messages
from mail.store.blobs import BlobStore

DAY_MS = 86_400_000
CHUNK = 200
# Security EX-6.
SECONDS = 30.0

COLUMNS = {"SUBJECT": "subject", "FROM": "sender", "TO": "recipients", "CC": "cc", "BCC": "bcc"}
# How dear a key is.
DEARNESS: dict[type, int] = {Text: 2, Date: 1, And: 1, Or: 1, Not: 1}


class TooSlow(Exception):
    """The search went on for longer than anybody waits."""


async def run(session: Session, command: Search) -> Reply | None:
    selected = session.selected
    assert selected is not None
    if command.charset and command.charset not in CHARSETS:
        return no(f"BADCHARSET ({' '.join(CHARSETS)})", "Charset not supported.")
    with_modseq = uses_modseq(command.key)
    if with_modseq:
        session.use_condstore()
    try:
        found = await session.read(_search, session.service.blobs, selected, command.key)
    except TooSlow:
        if command.returns and "SAVE" in command.returns:
            selected.saved = ()
        return no("LIMIT", "The search took too long; narrow it.")
    if command.returns is not None and "SAVE" in command.returns:
        _save(selected, found, command.returns)
    _answer(session, selected, command, found, with_modseq=with_modseq)
    return None


def _save(selected: Selected, found: list[int], returns: tuple[str, ...]) -> None:
    """RFC 9051 §6.4.4.1 table 4: MIN and MAX alone save only those."""
    uids = selected.index.uids
    if "ALL" in returns or "COUNT" in returns or not {"MIN", "MAX"} & set(returns):
        places = found
    else:
        ends = [found[0]] if found and "MIN" in returns else []
        if found and "MAX" in returns and found[-1] not in ends:
            ends.append(found[-1])
        places = ends
    selected.saved = tuple(uids[place] for place in places)


def _answer(session: Session, selected: Selected, command: Search, found: list[int], *, with_modseq: bool) -> None:
    index = selected.index
    numbers = [index.uids[place] if command.uid else place + 1 for place in found]
    highest = max((index.modseqs[place] for place in found), default=0) if with_modseq else 0
    if command.returns is None and not session.rev2:
        listed = b" ".join(b"%d" % number for number in numbers)
        modseq = b" (MODSEQ %d)" % highest if highest else b""
        session.write(b"* SEARCH" + (b" " + listed if listed else b"") + modseq + b"\r\n")
        return
    returns = command.returns if command.returns else ("ALL",)
    if returns == ("SAVE",):
        return
    parts = [b'* ESEARCH (TAG "%s")' % session.tag.encode()]
    if command.uid:
        parts.append(b"UID")
    if numbers and "MIN" in returns:
        parts.append(b"MIN %d" % numbers[0])
    if numbers and "MAX" in returns:
        parts.append(b"MAX %d" % numbers[-1])
    if numbers and "ALL" in returns:
        parts.append(b"ALL " + render_sequence(numbers))
    if "COUNT" in returns:
        parts.append(b"COUNT %d" % len(numbers))
    if highest:
        parts.append(b"MODSEQ %d" % highest)
    session.write(b" ".join(parts) + b"\r\n")


def _search(connection: Connection, blobs: BlobStore, selected: Selected, key: Key) -> list[int]:
    """Positions, rising."""
    searching = _Searching(connection, blobs, selected)
    return searching.matching(key, list(range(len(selected.index))))


class _Searching:
    def __init__(self, connection: Connection, blobs: BlobStore, selected: Selected) -> None:
        self.connection = connection
        self.blobs = blobs
        self.selected = selected
        self.index = selected.index
        self.until = time.monotonic() + SECONDS

    def matching(self, key: Key, candidates: list[int]) -> list[int]:
        """Those of the candidates (rising positions) that match. As deep as the grammar lets keys nest."""
        if not candidates:
            return candidates
        match key:
            case And():
                for one in sorted(key.keys, key=lambda one: DEARNESS.get(type(one), 0)):
                    candidates = self.matching(one, candidates)
                return candidates
            case Or():
                left = set(self.matching(key.left, candidates))
                rest = [place for place in candidates if place not in left]
                return sorted(left.union(self.matching(key.right, rest)))
            case Not():
                without = set(self.matching(key.key, candidates))
                return [place for place in candidates if place not in without]
            case Text():
                return self._text(key, candidates)
            case Date():
                return self._date(key, candidates)
            case _:
                return self._from_index(key, candidates)

    def _from_index(self, key: Key, candidates: list[int]) -> list[int]:
        index = self.index
        match key:
            case All():
                return [] if key.none else candidates
            case Flag():
                flags, bit = index.flags, key.bit
                if key.unset:
                    return [place for place in candidates if not flags[place] & bit]
                return [place for place in candidates if flags[place] & bit]
            case Keyword():
                keywords, unset = index.keywords, key.unset
                return [place for place in candidates if (key.name in keywords[place].split()) is not unset]
            case Size():
                sizes = index.sizes
                if key.larger:
                    return [place for place in candidates if sizes[place] > key.octets]
                return [place for place in candidates if sizes[place] < key.octets]
            case Modseq():
                return [place for place in candidates if index.modseqs[place] >= key.least]
            case Messages():
                wanted = set(self.selected.positions(key.wanted, uid=key.uid))
                return [place for place in candidates if place in wanted]
        raise TypeError(key)

    def _date(self, key: Date, candidates: list[int]) -> list[int]:
        within = _compared(key.where, key.day)
        if not key.where.startswith("SENT"):
            received = self.index.received_at
            return [place for place in candidates if within(received[place] // DAY_MS)]
        selected = self.selected
        days = dict(messages.sent_days(self.connection, selected.account_id, selected.mailbox_id))
        uids = self.index.uids
        found = ((place, days.get(uids[place])) for place in candidates)
        return [place for place, day in found if day is not None and within(day)]

    def _text(self, key: Text, candidates: list[int]) -> list[int]:
        needle = folded(key.needle)
        where = key.field.upper() if key.where == "HEADER" and key.field.upper() in COLUMNS else key.where
        if where in COLUMNS and needle:
            selected = self.selected
            uids = messages.search_texts(
                self.connection, selected.account_id, selected.mailbox_id, COLUMNS[where], needle
            )
            column = self.index.uids
            return [place for place in candidates if column[place] in uids]
        if not needle and where in ("TEXT", "BODY"):
            return candidates
        if where in COLUMNS:
            return self._in_contents(candidates, lambda *message: header_contains(message[0], where.lower(), ""))
        if where == "HEADER":
            return self._in_contents(candidates, lambda *message: header_contains(message[0], key.field, needle))
        if where == "BODY":
            return self._in_contents(candidates, lambda _, octets, structure: body_contains(octets, structure, needle))
        return self._in_contents(
            candidates,
            lambda header, octets, structure: (
                any_header_contains(header, needle) or body_contains(octets, structure, needle)
            ),
        )

    def _in_contents(
        self, candidates: list[int], matches: "Callable[[bytes, bytes, dict[str, object]], bool]"
    ) -> list[int]:
        """`matches` gets the header with its prefix, the blob, and the structure."""
        found: list[int] = []
        for first in range(0, len(candidates), CHUNK):
            if time.monotonic() > self.until:
                raise TooSlow
            found += self._chunk(candidates[first : first + CHUNK], matches)
        return found

    def _chunk(self, places: list[int], matches: "Callable[[bytes, bytes, dict[str, object]], bool]") -> Iterable[int]:
        selected = self.selected
        by_uid = {self.index.uids[place]: place for place in places}
        rows = messages.contents(self.connection, selected.account_id, selected.mailbox_id, list(by_uid))
        for row in rows:
            octets = row.octets if row.octets is not None else self.blobs.read(row.folder, row.blob_id)
            structure = orjson.loads(row.structure)
            _, end = structure["h"]
            if matches(row.prefix + octets[:end], octets, structure):
                yield by_uid[row.uid]


def _compared(where: str, day: int) -> Callable[[int], bool]:
    match where.removeprefix("SENT"):
        case "BEFORE":
            return lambda one: one < day
        case "SINCE":
            return lambda one: one >= day
        case _:
            return lambda one: one == day
