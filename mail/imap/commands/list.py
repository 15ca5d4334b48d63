"""LIST with its extensions. RFC 9051 §6.3.9, RFC 5258, RFC 5819 (STATUS), RFC 6154 §2 (SPECIAL-USE)."""

from dataclasses import dataclass

from mail.imap.commands.status import parse_items
from mail.imap.grammar import BadSyntax, Cursor

SELECT_OPTIONS = frozenset(("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"))
RETURN_OPTIONS = frozenset(("SUBSCRIBED", "CHILDREN", "SPECIAL-USE"))
# More patterns than any client sends; each costs a look at every mailbox.
MOST_PATTERNS = 50


@dataclass(frozen=True, slots=True)
class List:
    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    extended: bool = False


def parse(cursor: Cursor, uid: bool = False) -> List:
    cursor.space()
    select: frozenset[str] = frozenset()
    extended = cursor.peek() == b"("
    if extended:
        select = _parse_select(cursor)
        cursor.space()
    reference = cursor.list_mailbox() if cursor.peek() != b" " else ""
    cursor.space()
    if cursor.peek() == b"(":
        extended = True
        patterns = cursor.list_of(cursor.list_mailbox)
        if len(patterns) > MOST_PATTERNS:
            raise BadSyntax("too many patterns")
    else:
        patterns = [cursor.list_mailbox()]
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    if cursor.skip(b" "):
        extended = True
        returns, status = _parse_returns(cursor)
    return List(reference, tuple(patterns), select, returns, status, extended)


def _parse_select(cursor: Cursor) -> frozenset[str]:
    options = frozenset(cursor.list_of(cursor.word, empty=True))
    unknown = options - SELECT_OPTIONS
    if unknown:
        raise BadSyntax(f"unknown selection option {min(unknown)}")
    # RFC 5258 §3.1: it widens another option and means nothing alone.
    if "RECURSIVEMATCH" in options and not options - {"RECURSIVEMATCH", "REMOTE"}:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return options


def _parse_returns(cursor: Cursor) -> tuple[frozenset[str], tuple[str, ...]]:
    cursor.expect(b"RETURN ")
    options: list[str] = []
    status: list[str] = []

    def option() -> None:
        word = cursor.word()
        if word == "STATUS":
            cursor.space()
            status.extend(parse_items(cursor))
        elif word in RETURN_OPTIONS:
            options.append(word)
        else:
            raise BadSyntax(f"unknown return option {word}")

    cursor.list_of(option, empty=True)
    return frozenset(options), tuple(status)
