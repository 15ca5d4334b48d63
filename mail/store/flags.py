"""The flags every message has as bits, and the words that name them (features S03; RFC 9051 §2.3.2, RFC 5788)."""

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16
FORWARDED = 32
JUNK = 64
NOTJUNK = 128
PHISHING = 256
MDNSENT = 512

# In the order FLAGS and FETCH list them.
NAMES: dict[int, str] = {
    SEEN: "\\Seen",
    ANSWERED: "\\Answered",
    FLAGGED: "\\Flagged",
    DELETED: "\\Deleted",
    DRAFT: "\\Draft",
    FORWARDED: "$Forwarded",
    JUNK: "$Junk",
    NOTJUNK: "$NotJunk",
    PHISHING: "$Phishing",
    MDNSENT: "$MDNSent",
}

BITS: dict[str, int] = {name.lower(): bit for bit, name in NAMES.items()}
