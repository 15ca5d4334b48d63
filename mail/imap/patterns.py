"""LIST patterns: `*` is anything, `%` is anything within one level. RFC 9051 §6.3.9.

Matching takes time in proportion to pattern times name, never more: no regular expression (security EX-5).
"""

from mail.imap.mailbox_names import SEPARATOR, as_inbox


def canonical(reference: str, pattern: str) -> str:
    """The pattern that reference and mailbox pattern make together: RFC 9051 §6.3.9, `/` begins anew."""
    joined = pattern if pattern.startswith(SEPARATOR) else reference + pattern
    joined = joined.removeprefix(SEPARATOR)
    while "**" in joined:
        joined = joined.replace("**", "*")
    return as_inbox(joined)


def matches(pattern: str, name: str) -> bool:
    """The inbox is told in any case; `pattern` is canonical."""
    reachable = _closure({0}, pattern)
    for character in name:
        reachable = _closure(_stepped(reachable, pattern, character), pattern)
        if not reachable:
            return False
    return len(pattern) in reachable


def _closure(places: set[int], pattern: str) -> set[int]:
    """A wildcard may also match nothing."""
    todo = list(places)
    while todo:
        place = todo.pop()
        if place < len(pattern) and pattern[place] in "*%" and place + 1 not in places:
            places.add(place + 1)
            todo.append(place + 1)
    return places


def _stepped(places: set[int], pattern: str, character: str) -> set[int]:
    after = set()
    for place in places:
        if place == len(pattern):
            continue
        expected = pattern[place]
        if expected == "*" or (expected == "%" and character != SEPARATOR):
            after.add(place)
        elif expected == character:
            after.add(place + 1)
    return after


def parents(name: str) -> list[str]:
    """Every level above a name, nearest last."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]
