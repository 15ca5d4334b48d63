"""The selected mailbox as one client knows it.

`selected.index` (a `mail.imap.index.Index`) is exactly what the client has been told: its message numbers are
positions in the columns plus one, and it moves on only by `Session.catch_up()`, which announces the difference.
Columns, all in UID order: `uids`, `modseqs`, `flags` (bits of `mail.store.flags`), `keywords` (sorted,
space-separated string), `received_at`, `saved_at` (milliseconds), `sizes`; `mail.imap.flags.render_flags(bits,
keywords)` spells what stands between the parentheses of FLAGS.

    positions = selected.positions(sequence_set, uid=uid)     # rising positions from 0; raises BadSyntax
    for position in positions:
        number, uid = position + 1, selected.index.uids[position]

A message another session expunged stays in the view until it may be announced; the store then has no row for it, and
a command leaves it out (RFC 2180 §4.1.3 as RFC 9051 §7.5.1 keeps it).
"""

from collections.abc import Sequence

from mail.imap.grammar import BadSyntax
from mail.imap.index import Index
from mail.imap.sequence import SequenceSet, positions_of_numbers, positions_of_uids


class Selected:
    """One mailbox a session has open. `gone`: another session removed the mailbox itself."""

    __slots__ = ("account_id", "gone", "index", "mailbox_id", "name", "read_only", "saved")

    def __init__(self, account_id: int, mailbox_id: int, name: str, index: Index, *, read_only: bool) -> None:
        self.account_id = account_id
        self.mailbox_id = mailbox_id
        self.name = name
        self.index = index
        self.read_only = read_only
        self.gone = False
        # UIDs, rising: what `$` means. Empty at first: RFC 9051 §6.4.4.1.
        self.saved: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        return self.account_id, self.mailbox_id

    def positions(self, wanted: SequenceSet, *, uid: bool) -> Sequence[int]:
        if wanted.saved:
            places = (self.index.position(number) for number in self.saved)
            return [place for place in places if place >= 0]
        if uid:
            return positions_of_uids(wanted, self.index.uids)
        try:
            return positions_of_numbers(wanted, len(self.index))
        except ValueError as error:
            raise BadSyntax(str(error)) from None

    def uids(self, wanted: SequenceSet, *, uid: bool) -> list[int]:
        """The UIDs of a set."""
        column = self.index.uids
        positions = self.positions(wanted, uid=uid)
        if isinstance(positions, range):
            return column[positions.start : positions.stop].tolist()
        return [column[position] for position in positions]
