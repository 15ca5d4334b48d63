"""What can go wrong, in the field's words, with no wire in sight.

1. `public` may be shown to a stranger; the detail goes to our log only.
2. Each wire has one table from error to spelling (`mail/smtp/replies.py`, `mail/imap/responses.py`,
   `app/errors.py`); no error knows a wire.
3. Temporary stays temporary: nothing here turns a shortage into a permanent refusal.
"""


class MailError(Exception):
    """We could not do it now. A subclass says why; the peer may try again unless the subclass says otherwise."""

    public = "local error, try again later"

    def __init__(self, detail: str = "", *, public: str | None = None) -> None:
        super().__init__(detail or public or self.public)
        self.public = public or self.public


class Bug(MailError):
    """A state that cannot be. The job or session ends and is counted; the rest lives."""


class Unavailable(MailError):
    """A process or service we depend on does not answer."""

    public = "service temporarily unavailable, try again later"


class StorageFull(MailError):
    """The disk reserve is reached or a write met ENOSPC. Reads and deletes still work."""

    public = "insufficient system storage"


class StorageFault(MailError):
    """A sync or write failed with EIO: nothing more is acknowledged until an operator has looked."""

    public = "storage fault, try again later"


class Busy(MailError):
    """A lock was not had in time."""

    public = "mailbox is busy, try again later"


class NoSuchAddress(MailError):
    public = "no such mailbox"


class NoSuchMailbox(MailError):
    public = "no such mailbox"


class MailboxExists(MailError):
    public = "mailbox already exists"


class MailboxHasChildren(MailError):
    public = "mailbox has child mailboxes"


class MailboxRefused(MailError):
    """The name or the special use is not allowed."""

    public = "mailbox name not allowed"


class OverQuota(MailError):
    public = "mailbox is full"


class SendLimit(MailError):
    """An account has sent as much as it may in a day; `public` says what, how much, and which setting."""

    public = "sending limit of the account reached"


class MessageLimit(SendLimit):
    """Too many messages, one a recipient."""


class RecipientLimit(SendLimit):
    """Too many recipients it never sent to before."""


class TooLarge(MailError):
    public = "message size exceeds fixed limit"


class BadAddress(MailError):
    public = "bad address syntax"


class BadCredentials(MailError):
    """Unknown user, wrong password, disabled: the same words for all, so that nothing can be learned."""

    public = "authentication credentials invalid"


class LoginDisabled(MailError):
    """The credentials are right, and the administrator has switched the login off; `public` is his message."""

    public = "login disabled"


class TooManyFailures(MailError):
    public = "too many authentication failures"


class BadPassword(MailError):
    """A new password that may not be set: too short, or not allowed by RFC 8265."""

    public = "password not allowed"


class NotAllowed(MailError):
    """The caller may not ask for this."""

    public = "not allowed"


class NotFound(MailError):
    """A named thing (domain, account, queued message) does not exist."""

    public = "not found"


class Exists(MailError):
    """A named thing exists already."""

    public = "exists already"


class Invalid(MailError):
    """Input that can never be right; `public` says what and why."""

    public = "invalid input"


class WrongVersion(MailError):
    """The schema, a library or a file is of a version we do not work with; `public` says which and what to do."""

    public = "wrong version"
