"""What happened to the selected mailbox, as untagged responses. RFC 9051 §7.4, §7.5; RFC 7162 §3.2.

FLAGS comes before the FETCH that uses a new keyword (features S03), and EXISTS before any number above the old count.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mail.imap.flags import render_flags, render_mailbox_flags
from mail.imap.index import Difference, Index, difference, keeping
from mail.imap.sequence import SequenceSet, positions_of_uids, render_sequence


@dataclass(frozen=True, slots=True)
class Style:
    """How this client wants to hear it."""

    condstore: bool = False  # MODSEQ in every FETCH: RFC 7162 §3.1
    qresync: bool = False  # VANISHED in place of EXPUNGE, UID in every FETCH: RFC 7162 §3.2.3
    uid: bool = False  # the command was a UID command: RFC 9051 §6.4.9
    keeps_numbers: bool = False  # no EXPUNGE now: RFC 9051 §7.5.1


def render_updates(
    view: Index,
    new: Index,
    style: Style,
    *,
    also: Collection[int] = (),
    quiet: Collection[int] = (),
) -> tuple[list[bytes], Index]:
    """The responses, and what the client then knows.

    `also`: UIDs whose flags are told although they did not change. `quiet`: UIDs whose flags the client set itself and
    asked not to hear (.SILENT); their MODSEQ is told where it wants that (RFC 7162 §3.1.3).
    """
    told = difference(view, new)
    if told.gone and style.keeps_numbers:
        new = keeping(new, view, told.gone)
        told = Difference((), told.changed, told.fresh, told.keywords)
    out: list[bytes] = []
    if told.gone:
        out += _render_gone(view, told.gone, style)
    if told.keywords:
        out += render_flags_responses(new)
    if told.fresh > 0:
        out.append(b"* %d EXISTS\r\n" % len(new))
    changed: Iterable[int] = told.changed
    if also:
        changed = sorted({*told.changed, *also})
    out += _render_changed(new, changed, frozenset(quiet), style)
    return out, new


def render_flags_responses(index: Index, *, writable: bool = True) -> list[bytes]:
    flags = render_mailbox_flags(index.mailbox_keywords)
    permanent = b"%b \\*" % flags if writable else b""
    return [
        b"* FLAGS (%b)\r\n" % flags,
        b"* OK [PERMANENTFLAGS (%b)] Flags that stay.\r\n" % permanent,
    ]


def _render_gone(view: Index, gone: tuple[int, ...], style: Style) -> list[bytes]:
    if style.qresync:
        return [b"* VANISHED %b\r\n" % render_sequence(gone)]
    # Each EXPUNGE moves the numbers behind it down by one.
    return [b"* %d EXPUNGE\r\n" % (view.position(uid) + 1 - before) for before, uid in enumerate(gone)]


def _render_changed(index: Index, uids: Iterable[int], quiet: frozenset[int], style: Style) -> list[bytes]:
    out = []
    with_uid = style.uid or style.qresync
    for uid in uids:
        place = index.position(uid)
        if place < 0 or (uid in quiet and not style.condstore):
            continue
        items = []
        if with_uid:
            items.append(b"UID %d" % uid)
        if uid not in quiet:
            items.append(b"FLAGS (%b)" % render_flags(index.flags[place], index.keywords[place]))
        if style.condstore:
            items.append(b"MODSEQ (%d)" % index.modseqs[place])
        out.append(b"* %d FETCH (%b)\r\n" % (place + 1, b" ".join(items)))
    return out


def render_known_changed(index: Index, modseq: int, known: SequenceSet | None) -> list[bytes]:
    """QRESYNC: the flags of what changed since the client was last here. RFC 7162 §3.2.5.1."""
    positions = range(len(index)) if known is None else positions_of_uids(known, index.uids)
    changed = [index.uids[place] for place in positions if index.modseqs[place] > modseq]
    return _render_changed(index, changed, frozenset(), Style(condstore=True, qresync=True))
