"""What we announce, and when. RFC 9051 §7.2.2; features B11.

LITERAL+ and not LITERAL-: a client may announce only one of them to itself (RFC 7888 §5), and APPEND takes what
APPENDLIMIT allows without waiting; other commands keep to LITERAL-'s 4,096 octets.
"""

ALWAYS = ("IMAP4rev2", "IMAP4rev1", "LITERAL+", "ENABLE", "ID", "SASL-IR")

WHEN_AUTHENTICATED = (
    "IDLE",
    "NAMESPACE",
    "CHILDREN",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "CONDSTORE",
    "QRESYNC",
    "BINARY",
    "MULTIAPPEND",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "UTF8=ACCEPT",
)

# RFC 5161 §3.1: what ENABLE can switch on.
ENABLEABLE = ("IMAP4REV2", "UTF8=ACCEPT", "CONDSTORE", "QRESYNC")


def capabilities(*, mechanisms: tuple[str, ...], starttls: bool, append_limit: int, authenticated: bool) -> str:
    """The list after CAPABILITY. No mechanisms: LOGIN is not offered either (RFC 9051 §6.2.3)."""
    words = [*ALWAYS]
    if not authenticated:
        if starttls:
            words.append("STARTTLS")
        words += [f"AUTH={mechanism}" for mechanism in mechanisms] if mechanisms else ["LOGINDISABLED"]
    words += WHEN_AUTHENTICATED
    words.append(f"APPENDLIMIT={append_limit}")
    return " ".join(words)
