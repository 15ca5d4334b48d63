"""The commands of the server, when each may come, and how a line is read. RFC 5321 §4.1.

What may come when is the table; the listener looks nothing up elsewhere. A verb that is not in it is unknown, whatever
the RFCs know besides (SEND, SAML, TURN, ETRN).
"""

import re
from dataclasses import dataclass
from enum import Flag, auto

from mail.smtp.replies import BadCommand

# RFC 5321 §4.5.3.1.4 asks for 512, the extensions we offer add about as much; AUTH has its own limit.
LINE_LIMIT = 2048
# What is read of a longer line before we say so and close (security SM-3).
LONG_LINE_DROPPED = 64 * 1024


class Rule(Flag):
    NONE = 0
    HELLO = auto()  # only after EHLO or HELO
    MAIL = auto()  # only inside a transaction
    RCPT = auto()  # ... that has a recipient
    PLAIN_OK = auto()  # allowed before a required STARTTLS, RFC 3207 §4
    ENDS_GROUP = auto()  # last in a pipelined group, RFC 2920 §3.1
    IDLE = auto()  # moves no mail: many in a row are slowed
    SUBMISSION = auto()  # only where users send, RFC 4954 and RFC 6409


@dataclass(frozen=True, slots=True)
class Command:
    verb: str
    rules: Rule = Rule.NONE


COMMANDS = {
    command.verb: command
    for command in (
        Command("EHLO", Rule.PLAIN_OK | Rule.ENDS_GROUP),
        Command("HELO", Rule.PLAIN_OK | Rule.ENDS_GROUP),
        Command("STARTTLS", Rule.HELLO | Rule.PLAIN_OK | Rule.ENDS_GROUP),
        Command("AUTH", Rule.HELLO | Rule.PLAIN_OK | Rule.ENDS_GROUP | Rule.SUBMISSION),
        Command("MAIL", Rule.HELLO),
        Command("RCPT", Rule.HELLO | Rule.MAIL),
        Command("DATA", Rule.HELLO | Rule.MAIL | Rule.RCPT | Rule.ENDS_GROUP),
        Command("BDAT", Rule.HELLO),  # RFC 3030; its octets are read even when it is refused
        Command("RSET", Rule.PLAIN_OK | Rule.IDLE),
        Command("NOOP", Rule.PLAIN_OK | Rule.ENDS_GROUP | Rule.IDLE),
        Command("VRFY", Rule.ENDS_GROUP | Rule.IDLE),
        Command("EXPN", Rule.ENDS_GROUP | Rule.IDLE),
        Command("HELP", Rule.PLAIN_OK | Rule.IDLE),
        Command("QUIT", Rule.PLAIN_OK | Rule.ENDS_GROUP),
    )
}

# A browser, or a TLS client on the wrong port: whoever is behind it must not read its own words in our answer.
_FOREIGN = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|DELETE|CONNECT|TRACE|PATCH|PRI) |\x16\x03")


def speaks_another_protocol(line: bytes) -> bool:
    """Whether a first line is HTTP or a TLS ClientHello (security SM-7, the ALPACA attack)."""
    return _FOREIGN.match(line) is not None


def parse_line(line: bytes) -> tuple[str, str]:
    """Verb (upper case) and argument of a command line without its CRLF; raises `BadCommand`."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadCommand(500, "5.5.2", "Line is not UTF-8") from None
    # Tabs and the like have no place in the grammar; non-ASCII characters are for MAIL and RCPT to judge.
    if not text.isprintable() and any(character < " " or character == "\x7f" for character in text):
        raise BadCommand(500, "5.5.2", "Control character in command")
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument.strip(" ")
