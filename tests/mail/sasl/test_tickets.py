import os
import stat
from pathlib import Path

import pytest

from mail.errors import NotAllowed, WrongVersion
from mail.sasl import tickets

KEY = b"k" * 32
NOW = 1_800_000_000_000


def test_a_ticket_holds_for_its_account_and_a_day() -> None:
    ticket = tickets.make(KEY, 7, "imap", NOW)
    tickets.check(KEY, ticket, 7, NOW)
    tickets.check(KEY, ticket, 7, NOW + tickets.VALID_MS - 1)
    with pytest.raises(NotAllowed):
        tickets.check(KEY, ticket, 7, NOW + tickets.VALID_MS)
    with pytest.raises(NotAllowed):
        tickets.check(KEY, ticket, 8, NOW)


@pytest.mark.parametrize("forged", ["", ".", "a.b", "\u00fc.\u00fc", "\ud800."])
def test_what_auth_did_not_make_is_refused(forged: str) -> None:
    with pytest.raises(NotAllowed):
        tickets.check(KEY, forged, 7, NOW)


def test_another_key_or_another_claim_is_refused() -> None:
    claims, mac = tickets.make(KEY, 7, "imap", NOW).split(".")
    others, _ = tickets.make(KEY, 8, "imap", NOW).split(".")
    for ticket in (f"{others}.{mac}", f"{claims}.{mac[:-2]}AA", tickets.make(b"x" * 32, 7, "imap", NOW)):
        with pytest.raises(NotAllowed):
            tickets.check(KEY, ticket, 7, NOW)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ticket"
    tickets.make_key(path)
    made = tickets.load_key(path)
    tickets.make_key(path)
    assert tickets.load_key(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_key_others_can_read_or_that_is_short_or_absent_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(WrongVersion, match="No such file"):
        tickets.load_key(tmp_path / "none")
    open_to_all = tmp_path / "open"
    open_to_all.write_bytes(KEY)
    os.chmod(open_to_all, 0o444)
    with pytest.raises(WrongVersion, match="others must not read it"):
        tickets.load_key(open_to_all)
    short = tmp_path / "short"
    short.write_bytes(b"k")
    os.chmod(short, 0o400)
    with pytest.raises(WrongVersion, match="32 octets"):
        tickets.load_key(short)
