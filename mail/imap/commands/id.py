"""ID. RFC 2971 §3.1."""

from dataclasses import dataclass

from mail.imap.grammar import BadSyntax, Cursor

# RFC 2971 §3.3
MOST_PAIRS = 30


@dataclass(frozen=True, slots=True)
class Id:
    fields: tuple[tuple[str, str], ...]


def parse(cursor: Cursor, uid: bool = False) -> Id:
    cursor.space()
    if cursor.skip(b"NIL"):
        return Id(())
    words = cursor.list_of(cursor.nstring, empty=True)
    if len(words) % 2 or len(words) > 2 * MOST_PAIRS:
        raise BadSyntax("ID takes up to 30 pairs")
    texts = [(word or b"").decode("utf-8", "replace") for word in words]
    return Id(tuple(zip(texts[::2], texts[1::2], strict=True)))
