"""Every command and when it may come: one screen. RFC 9051 §6, RFC 3501 §6.

`UID` before a command makes the command `UID FETCH` and so on: RFC 9051 §6.4.9.
"""

from dataclasses import dataclass
from enum import Flag, auto


class State(Flag):
    """RFC 9051 §3."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()


class Rule(Flag):
    NONE = 0
    CHANGES = auto()  # refused in a mailbox opened by EXAMINE
    KEEPS_NUMBERS = auto()  # no EXPUNGE may be sent while it runs: RFC 9051 §7.5.1
    LOOKS = auto()  # asks the store for changes, not only the bus: RFC 9051 §6.1.2
    STREAMS = auto()  # takes its literals itself


ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
LOGGED_IN = State.AUTHENTICATED | State.SELECTED


@dataclass(frozen=True, slots=True)
class Command:
    verb: str
    states: State
    rules: Rule = Rule.NONE


COMMANDS: dict[str, Command] = {
    command.verb: command
    for command in (
        Command("CAPABILITY", ANY),
        Command("NOOP", ANY, Rule.LOOKS),
        Command("LOGOUT", ANY),
        Command("ID", ANY),
        Command("STARTTLS", State.NOT_AUTHENTICATED),
        Command("AUTHENTICATE", State.NOT_AUTHENTICATED),
        Command("LOGIN", State.NOT_AUTHENTICATED),
        Command("ENABLE", LOGGED_IN),
        Command("SELECT", LOGGED_IN),
        Command("EXAMINE", LOGGED_IN),
        Command("CREATE", LOGGED_IN),
        Command("DELETE", LOGGED_IN),
        Command("RENAME", LOGGED_IN),
        Command("SUBSCRIBE", LOGGED_IN),
        Command("UNSUBSCRIBE", LOGGED_IN),
        Command("LIST", LOGGED_IN),
        Command("LSUB", LOGGED_IN),
        Command("NAMESPACE", LOGGED_IN),
        Command("STATUS", LOGGED_IN),
        Command("GETQUOTA", LOGGED_IN),
        Command("GETQUOTAROOT", LOGGED_IN),
        Command("APPEND", LOGGED_IN, Rule.STREAMS | Rule.LOOKS),
        Command("IDLE", LOGGED_IN, Rule.LOOKS),
        Command("CHECK", State.SELECTED, Rule.LOOKS),
        Command("CLOSE", State.SELECTED),
        Command("UNSELECT", State.SELECTED),
        Command("EXPUNGE", State.SELECTED, Rule.CHANGES),
        Command("SEARCH", State.SELECTED, Rule.KEEPS_NUMBERS),
        Command("FETCH", State.SELECTED, Rule.KEEPS_NUMBERS),
        Command("STORE", State.SELECTED, Rule.CHANGES | Rule.KEEPS_NUMBERS),
        Command("COPY", State.SELECTED),
        Command("MOVE", State.SELECTED, Rule.CHANGES),
        Command("UID EXPUNGE", State.SELECTED, Rule.CHANGES),
        Command("UID SEARCH", State.SELECTED),
        Command("UID FETCH", State.SELECTED),
        Command("UID STORE", State.SELECTED, Rule.CHANGES),
        Command("UID COPY", State.SELECTED),
        Command("UID MOVE", State.SELECTED, Rule.CHANGES),
    )
}


def refusal(command: Command, state: State) -> str:
    """Why a command may not come now; empty when it may."""
    if state & command.states:
        return ""
    if state is State.NOT_AUTHENTICATED:
        return "Log in first"
    if command.states is State.SELECTED:
        return "Select a mailbox first"
    return "Already logged in"
