from pathlib import Path
from typing import Any

import pytest
from scramp import ScramClient

from listeners.auth import logins as module
from listeners.auth.logins import Logins
from mail.accounts import passwords
from mail.accounts.snapshot import write
from mail.errors import BadCredentials, LoginDisabled, TooManyFailures
from mail.now import SetClock
from mail.sasl import tickets
from mail.store.secrets import Secrets
from tests.listeners.auth.conftest import PASSWORD, tables

IP = "192.0.2.1"


def asked(login: str = "ann@x.org", password: str = PASSWORD, **others: Any) -> dict[str, Any]:
    return {"login": login, "password": password, "service": "imap", "ip": IP, "tls": True, **others}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that were compared."""
    compared: list[str] = []
    matches = passwords.matches

    def noted(kept: str, given: str) -> bool:
        compared.append(kept)
        return matches(kept, given)

    monkeypatch.setattr(passwords, "matches", noted)
    return compared


@pytest.mark.parametrize("login", ["ann@x.org", "ANN@X.ORG", "ann+tag@x.org", "ann"])
async def test_every_form_of_ones_name_logs_in_with_a_ticket(logins: Logins, clock: SetClock, login: str) -> None:
    answer = await logins.plain(asked(login))
    assert (answer["account_id"], answer["account"], answer["login"]) == (7, "ann", login)
    tickets.check(b"k" * 32, answer["ticket"], 7, clock.wall_ms())


@pytest.mark.parametrize(
    "wrong",
    [
        asked(password="correct horsf"),
        asked("ghost@x.org"),
        asked("ann@elsewhere.org"),
        asked("empty@x.org"),
        asked("not an address@@"),
        asked(password="tab\tin it"),
        asked(password="\ud800"),
        asked(authzid="empty@x.org"),
    ],
)
async def test_whoever_is_refused_cost_one_hash_and_hears_the_same(
    logins: Logins, hashed: list[str], wrong: dict[str, Any]
) -> None:
    with pytest.raises(BadCredentials) as raised:
        await logins.plain(wrong)
    assert len(hashed) == 1
    assert raised.value.public == BadCredentials().public


async def test_a_login_is_remembered_and_a_new_password_forgets_it(
    logins: Logins, kept: Secrets, clock: SetClock, hashed: list[str]
) -> None:
    for _ in range(5):
        await logins.plain(asked())
    assert len(hashed) == 1
    clock.move(module.REMEMBER_SECONDS)
    await logins.plain(asked())
    assert len(hashed) == 2
    kept.set_password(7, passwords.verifiers("another secret"), 2)
    logins.forget(7)
    with pytest.raises(BadCredentials):
        await logins.plain(asked())
    await logins.plain(asked(password="another secret"))


async def test_a_wrong_password_is_never_remembered(logins: Logins, hashed: list[str]) -> None:
    for _ in range(3):
        with pytest.raises(BadCredentials):
            await logins.plain(asked(password="wrong pass"))
    assert len(hashed) == 3


async def test_only_who_knows_the_password_hears_that_the_login_is_disabled(
    logins: Logins, snapshot: Path, clock: SetClock
) -> None:
    await logins.plain(asked())
    write(snapshot, tables(disabled="Ask the post office."))
    clock.move(2)
    with pytest.raises(LoginDisabled, match="Ask the post office"):
        await logins.plain(asked())
    with pytest.raises(BadCredentials):
        await logins.plain(asked(password="wrong pass"))


async def test_the_eleventh_guess_of_a_minute_is_not_looked_at(logins: Logins, hashed: list[str]) -> None:
    for _ in range(10):
        with pytest.raises(BadCredentials):
            await logins.plain(asked(password="wrong pass"))
    with pytest.raises(TooManyFailures):
        await logins.plain(asked())
    assert len(hashed) == 10
    assert (await logins.plain(asked(ip="203.0.113.5")))["account_id"] == 7


async def test_an_older_hash_is_made_anew_at_the_next_login(logins: Logins, kept: Secrets) -> None:
    kept.rehash(7, passwords.PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD))
    await logins.plain(asked())
    found = kept.verifiers(7)
    assert found is not None and not passwords.outdated(found.argon2)


async def test_hashes_that_wait_are_bounded(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HASHES_WAITING_MAX", 0)
    with pytest.raises(TooManyFailures):
        await logins.plain(asked())


async def scram(logins: Logins, login: str = "ann@x.org", password: str = PASSWORD, gs2: str = "n,,") -> dict[str, Any]:
    """A whole exchange; BadCredentials comes from the last step."""
    client = ScramClient(["SCRAM-SHA-256"], login, password)
    common = {"service": "imap", "ip": IP}
    begun = await logins.scram_first({"message": client.get_client_first().replace("n,,", gs2, 1), **common})
    client.set_server_first(begun["challenge"])
    ended = await logins.scram_final({"state": begun["state"], "message": client.get_client_final(), **common})
    client.set_server_final(ended["message"])
    return ended


async def test_scram_logs_in_and_proves_the_server(logins: Logins) -> None:
    assert (await scram(logins))["account"] == "ann"


@pytest.mark.parametrize(
    ("login", "password"), [("ann@x.org", "wrong pass"), ("ghost@x.org", PASSWORD), ("empty@x.org", PASSWORD)]
)
async def test_scram_refuses_all_others_only_at_the_end(logins: Logins, login: str, password: str) -> None:
    with pytest.raises(BadCredentials):
        await scram(logins, login, password)
    assert logins.failures.take_changed() != {}


async def test_an_unknown_user_always_gets_the_same_salt_and_the_same_count(logins: Logins) -> None:
    async def salt(login: str) -> str:
        begun = await logins.scram_first({"message": f"n,,n={login},r=abc", "service": "imap", "ip": IP})
        return str(begun["challenge"]).split(",", 1)[1]

    assert await salt("ghost@x.org") == await salt("ghost@x.org") != await salt("ann@x.org")
    assert (await salt("ghost@x.org")).endswith("i=60000")
    assert (await salt("ann@x.org")).endswith("i=60000")


async def test_a_scram_exchange_ends_once_and_in_time(logins: Logins, clock: SetClock) -> None:
    common = {"service": "imap", "ip": IP}
    client = ScramClient(["SCRAM-SHA-256"], "ann@x.org", PASSWORD)
    begun = await logins.scram_first({"message": client.get_client_first(), **common})
    client.set_server_first(begun["challenge"])
    final = {"state": begun["state"], "message": client.get_client_final(), **common}
    await logins.scram_final(final)
    with pytest.raises(BadCredentials):
        await logins.scram_final(final)
    late = await logins.scram_first({"message": "n,,n=ann@x.org,r=abc", **common})
    clock.move(module.SCRAM_SECONDS + 1)
    with pytest.raises(BadCredentials):
        await logins.scram_final({**final, "state": late["state"]})


async def test_exchanges_that_nobody_ends_are_bounded(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCRAM_MAX", 3)
    for _ in range(10):
        await logins.scram_first({"message": "n,,n=ann@x.org,r=abc", "service": "imap", "ip": IP})
    assert len(logins._dialogs) == 3


async def test_a_first_message_that_is_none_counts_as_a_failure(logins: Logins) -> None:
    for _ in range(5):
        with pytest.raises(BadCredentials):
            await logins.scram_first({"message": "p=x,,", "service": "imap", "ip": IP})
    with pytest.raises(TooManyFailures):
        await logins.scram_first({"message": "n,,n=ann@x.org,r=abc", "service": "imap", "ip": IP})
