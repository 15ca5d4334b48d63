"""MAIL, RCPT and BDAT with their parameters: from the argument's text to values.

    MAIL FROM:<path> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8] [RET=FULL|HDRS] [ENVID=xtext] [AUTH=xtext] [REQUIRETLS]
                     [HOLDFOR=seconds|HOLDUNTIL=date-time]
    RCPT TO:<path>   [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=type;xtext]
    BDAT n [LAST]

Keywords come once and in any order; one we did not offer is 555, a value outside its grammar 501 (RFC 5321 §4.1.1.11).
Paths are read by `mail/address.py`. Source routes are refused: RFC 5321 appendix C lets them be ignored, and a path
that says one thing and means another is what relay attempts are made of.
"""

import re
from dataclasses import dataclass

from mail.address import Address, parse_address
from mail.errors import BadAddress
from mail.smtp import future_release, xtext
from mail.smtp.replies import BadCommand

# esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-");  esmtp-value = 1*(%d33-60 / %d62-126), and RFC 6531 §3.4
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\U0010ffff]+))?")
_PARAMETERS_LIMIT = 20
# RFC 1870 §3: size-value = 1*20DIGIT
_SIZE = re.compile(r"[0-9]{1,20}")
# RFC 3461 §4.4: 100 characters as sent; §4.2: 500.
_ENVID_LIMIT = 100
_ORCPT_LIMIT = 500
_MAIL = ("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS")
_HOLD = ("HOLDFOR", "HOLDUNTIL")
_NOTIFY = frozenset(("SUCCESS", "FAILURE", "DELAY"))
# BDAT counts fit any message we would take; more digits are only a way to be odd.
_CHUNK = re.compile(r"([0-9]{1,12})(?: +(LAST))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    reverse_path: Address | None  # None: the null sender <>
    size: int | None = None
    eightbit: bool = False
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    auth: str = ""
    require_tls: bool = False  # RFC 8689 §2
    hold: str = ""  # as `mail.smtp.future_release` has it


@dataclass(frozen=True, slots=True)
class Rcpt:
    forward_path: Address | None  # None: <Postmaster>, RFC 5321 §4.5.1
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    size: int
    last: bool


def parse_mail(argument: str, *, may_hold: bool = False) -> Mail:
    """`may_hold`: FUTURERELEASE was offered, so its parameters may come."""
    path, rest = _path(argument, "FROM:", "5.1.7")
    found = _parameters(rest, (*_MAIL, *(_HOLD if may_hold else ())))
    smtputf8 = "SMTPUTF8" in found
    if not smtputf8 and not argument.isascii():
        raise BadCommand(553, "5.6.7", "Address needs SMTPUTF8")  # RFC 6531 §3.5
    return Mail(
        reverse_path=_address(path, "5.1.7") if path else None,
        size=_size(found["SIZE"]) if "SIZE" in found else None,
        eightbit=_one_of(found, "BODY", ("7BIT", "8BITMIME")) == "8BITMIME",
        smtputf8=smtputf8 and _bare(found, "SMTPUTF8"),
        ret=_one_of(found, "RET", ("FULL", "HDRS")),
        envid=_xtext(found, "ENVID", _ENVID_LIMIT),
        auth=_xtext(found, "AUTH", _ORCPT_LIMIT),
        require_tls="REQUIRETLS" in found and _bare(found, "REQUIRETLS"),
        hold=future_release.parse(found),
    )


def parse_rcpt(argument: str, *, smtputf8: bool) -> Rcpt:
    path, rest = _path(argument, "TO:", "5.1.3")
    found = _parameters(rest, ("NOTIFY", "ORCPT"))
    if not smtputf8 and not argument.isascii():
        raise BadCommand(553, "5.6.7", "Address needs SMTPUTF8")
    if not path:
        raise BadCommand(501, "5.1.3", "Recipient address missing")
    postmaster = path.lower() == "postmaster"
    return Rcpt(
        forward_path=None if postmaster else _address(path, "5.1.3"),
        notify=_notify(found["NOTIFY"]) if "NOTIFY" in found else "",
        orcpt=_orcpt(found["ORCPT"]) if "ORCPT" in found else "",
    )


def parse_chunk(argument: str) -> Chunk:
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise BadCommand(501, "5.5.4", "Syntax: BDAT size [LAST]")
    return Chunk(int(match[1]), match[2] is not None)


def _path(argument: str, keyword: str, enhanced: str) -> tuple[str, str]:
    """The text between the angle brackets, and what follows them."""
    if argument[: len(keyword)].upper() != keyword:
        raise BadCommand(501, "5.5.4", f"Syntax: {keyword}<address>")
    # The grammar has no space after the colon; too many senders do.
    text = argument[len(keyword) :].lstrip(" ")
    if not text.startswith("<"):
        raise BadCommand(501, enhanced, "Address must be in angle brackets")
    end = _closing_bracket(text)
    if end < 0 or text[end + 1 : end + 2] not in ("", " "):
        raise BadCommand(501, enhanced, "Bad address syntax")
    return text[1:end], text[end + 1 :]


def _closing_bracket(text: str) -> int:
    """Where the path ends: the first `>` outside a quoted localpart."""
    if not text.startswith('<"'):
        return text.find(">")
    position = 2
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return text.find(">", position)


def _address(path: str, enhanced: str) -> Address:
    if path.startswith("@"):
        raise BadCommand(501, enhanced, "Source routes are not supported")
    try:
        return parse_address(path, strict=False)
    except BadAddress as error:
        raise BadCommand(501, enhanced, "Bad address syntax") from error


def _parameters(text: str, offered: tuple[str, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in text.split():
        match = _PARAMETER.fullmatch(part)
        if match is None or len(found) == _PARAMETERS_LIMIT:
            raise BadCommand(501, "5.5.4", "Bad parameter syntax")
        keyword = match[1].upper()
        if keyword not in offered:
            raise BadCommand(555, "5.5.4", f"Parameter not supported: {keyword[:40]}")
        if keyword in found:
            raise BadCommand(501, "5.5.4", f"Parameter given twice: {keyword}")
        found[keyword] = match[2]
    return found


def _size(value: str | None) -> int:
    if value is None or not _SIZE.fullmatch(value):
        raise BadCommand(501, "5.5.4", "Bad SIZE")
    return int(value)


def _one_of(found: dict[str, str | None], keyword: str, values: tuple[str, ...]) -> str:
    if keyword not in found:
        return ""
    value = (found[keyword] or "").upper()
    if value not in values:
        raise BadCommand(501, "5.5.4", f"Bad {keyword}")
    return value


def _bare(found: dict[str, str | None], keyword: str) -> bool:
    if found[keyword] is not None:
        raise BadCommand(501, "5.5.4", f"{keyword} takes no value")
    return True


def _xtext(found: dict[str, str | None], keyword: str, limit: int) -> str:
    if keyword not in found:
        return ""
    value = found[keyword] or ""
    decoded = xtext.decode(value)
    if not value or decoded is None or len(value) > limit:
        raise BadCommand(501, "5.5.4", f"Bad {keyword}")
    return decoded


def _notify(value: str | None) -> str:
    """NOTIFY's conditions, upper case, in the order sent. RFC 3461 §4.1."""
    conditions = (value or "").upper().split(",")
    if conditions != ["NEVER"] and (not _NOTIFY.issuperset(conditions) or len(set(conditions)) != len(conditions)):
        raise BadCommand(501, "5.5.4", "Bad NOTIFY")
    return ",".join(conditions)


def _orcpt(value: str | None) -> str:
    """ORCPT as `type;address`, the address decoded. RFC 3461 §4.2; utf-8 addresses (RFC 6533 §3) stay as sent."""
    kind, semicolon, address = (value or "").partition(";")
    decoded = address if kind.lower() == "utf-8" else xtext.decode(address)
    if not semicolon or not kind.replace("-", "").isalnum() or not decoded or len(value or "") > _ORCPT_LIMIT:
        raise BadCommand(501, "5.5.4", "Bad ORCPT")
    return f"{kind.lower()};{decoded}"
