"""What one session may ask of us, and how long it may take. Security SM-5 and SM-6.

`Strikes` counts; `Timing` says when a session waited long enough. Neither knows a clock: `now` is passed in.
"""

from dataclasses import dataclass

from mail.smtp.replies import Reply

COMMANDS = 1000
MESSAGES = 100
UNKNOWN_COMMANDS = 5
UNKNOWN_RECIPIENTS = 10
BARE_LINE_FEEDS = 3
FAILED_TRANSACTIONS = 10
IDLE_COMMANDS = 20  # RSET, NOOP and VRFY in a row that cost nothing
IDLE_DELAY_SECONDS = 1.0
# A guesser of addresses waits from here on, hit or miss alike (security SM-12).
FREE_UNKNOWN_RECIPIENTS = 3
GUESS_DELAY_SECONDS_MAX = 4.0

FIRST_COMMAND_SECONDS = 60.0
BLOCK_SECONDS = 180.0
RATE_SECONDS = 120.0
RATE_OCTETS = 512
WRITE_STALL_SECONDS = 60.0

TIMED_OUT = Reply(421, "4.4.2", "Timeout, closing connection")


@dataclass(slots=True)
class Strikes:
    """Each method counts one and returns the reply that ends the session, or None while it may go on."""

    commands: int = 0
    messages: int = 0
    unknown_commands: int = 0
    unknown_recipients: int = 0
    bare_line_feeds: int = 0
    failed_transactions: int = 0
    idle_commands: int = 0

    def command(self, *, idle: bool) -> Reply | None:
        self.commands += 1
        self.idle_commands = self.idle_commands + 1 if idle else 0
        return Reply(421, "4.7.0", "Too many commands") if self.commands > COMMANDS else None

    def recipient_taken(self) -> None:
        """Not one of the thousand commands: as many recipients are announced (RFC 9422), and each counts once."""
        self.commands -= 1

    def unknown_command(self) -> Reply | None:
        self.unknown_commands += 1
        return Reply(421, "4.7.0", "Too many errors") if self.unknown_commands >= UNKNOWN_COMMANDS else None

    def unknown_recipient(self) -> Reply | None:
        self.unknown_recipients += 1
        return Reply(421, "4.7.0", "Too many errors") if self.unknown_recipients >= UNKNOWN_RECIPIENTS else None

    def bare_line_feed(self) -> Reply | None:
        self.bare_line_feeds += 1
        if self.bare_line_feeds >= BARE_LINE_FEEDS:
            return Reply(421, "4.7.0", "Lines must end with CRLF")
        return None

    def failed_transaction(self) -> Reply | None:
        """Ten refused messages and none taken: this peer has nothing for us."""
        self.failed_transactions += 1
        if self.failed_transactions > FAILED_TRANSACTIONS and not self.messages:
            return Reply(421, "4.7.0", "Too many failed transactions")
        return None

    @property
    def delay_for_idling(self) -> float:
        return IDLE_DELAY_SECONDS if self.idle_commands > IDLE_COMMANDS else 0.0

    @property
    def delay_for_guessing(self) -> float:
        """Before a recipient is looked up, so that what it is plays no part; from the third unknown one on."""
        return min(max(self.unknown_recipients - FREE_UNKNOWN_RECIPIENTS + 1.0, 0.0), GUESS_DELAY_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a listener waits."""

    command_seconds: float
    content_seconds: float


MX_PATIENCE = Patience(command_seconds=300.0, content_seconds=1800.0)
SUBMISSION_PATIENCE = Patience(command_seconds=600.0, content_seconds=3600.0)


@dataclass(slots=True)
class Transfer:
    """The time rules of one message on its way in: a block each three minutes, a rate, and an end."""

    begun: float
    last_block: float
    window_begun: float
    octets: int = 0
    window_octets: int = 0

    @classmethod
    def started(cls, now: float) -> "Transfer":
        return cls(now, now, now)

    def moved(self, octets: int, now: float) -> None:
        self.octets += octets
        self.last_block = now

    def too_slow(self, now: float, patience: Patience) -> bool:
        if now - self.last_block > BLOCK_SECONDS or now - self.begun > patience.content_seconds:
            return True
        if now - self.window_begun < RATE_SECONDS:
            return False
        slow = self.octets - self.window_octets < RATE_OCTETS * (now - self.window_begun)
        self.window_begun, self.window_octets = now, self.octets
        return slow
