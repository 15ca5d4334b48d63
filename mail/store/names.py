"""What a mailbox may be called (RFC 9051 §5.1).

NFC; the separator is /; the inbox is Inbox in any case, and so is the first component of a name below it.
"""

import unicodedata

from mail.errors import MailboxRefused

SEPARATOR = "/"
INBOX = "Inbox"

# Generous for people, small for an index: a name is stored, listed and matched, never a file name.
OCTETS_MAX = 1000
DEPTH_MAX = 20

SPECIAL_USES = ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\All", "\\Flagged", "\\Important")


def normalized(name: str) -> str:
    """The one spelling of a name, without judging it: for look-ups."""
    composed = unicodedata.normalize("NFC", name)
    first, separator, rest = composed.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == "INBOX" else composed


def checked(name: str) -> str:
    """The name as it is stored. MailboxRefused says why it cannot be one."""
    wanted = normalized(name)
    components = wanted.split(SEPARATOR)
    if not wanted or any(not component for component in components):
        raise MailboxRefused(public="mailbox name has an empty part")
    if len(wanted.encode("utf-8", "surrogatepass")) > OCTETS_MAX or len(components) > DEPTH_MAX:
        raise MailboxRefused(public="mailbox name is too long")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in wanted):
        raise MailboxRefused(public="mailbox name has a control character")
    # % and * are the wildcards of LIST: a mailbox that nobody can name alone (RFC 9051 §6.3.4 lets us refuse).
    if any(wildcard in wanted for wildcard in "%*"):
        raise MailboxRefused(public="mailbox name has a wildcard character")
    if any(component in (".", "..") for component in components) or wanted.startswith("#"):
        raise MailboxRefused(public="mailbox name not allowed")
    return wanted


def parents(name: str) -> list[str]:
    """The names above it, topmost first."""
    components = name.split(SEPARATOR)
    return [SEPARATOR.join(components[:depth]) for depth in range(1, len(components))]
