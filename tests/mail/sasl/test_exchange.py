from typing import Any

import pytest

from mail.errors import BadCredentials
from mail.sasl.exchange import Facts, authenticate, decode_base64

FACTS = Facts("imap", "192.0.2.1", tls=True)


class Auth:
    """Stands where the auth process stands, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, verb: str, args: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((verb, args))
        if verb == "scram_first":
            return {"challenge": "r=1", "state": "s"}
        return {"account_id": 7, "account": "ann", "login": "ann@x.org", "ticket": "t", "message": "v=proof"}


class Client:
    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.challenges: list[bytes] = []

    async def __call__(self, challenge: bytes) -> bytes:
        self.challenges.append(challenge)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("mechanism", "initial", "client", "challenges"),
    [
        ("PLAIN", b"\0ann@x.org\0secret", Client(), []),
        ("PLAIN", None, Client(b"\0ann@x.org\0secret"), [b""]),
        ("LOGIN", None, Client(b"ann@x.org", b"secret"), [b"Username:", b"Password:"]),
        ("LOGIN", b"ann@x.org", Client(b"secret"), [b"Password:"]),
    ],
)
async def test_a_password_goes_to_auth_with_or_without_initial_response(
    mechanism: str, initial: bytes | None, client: Client, challenges: list[bytes]
) -> None:
    auth = Auth()
    proven = await authenticate(mechanism, initial, ask=auth, talk=client, facts=FACTS)
    assert (proven.account_id, proven.account, proven.login, proven.ticket) == (7, "ann", "ann@x.org", "t")
    assert client.challenges == challenges
    expected = {"login": "ann@x.org", "password": "secret", "authzid": ""}
    assert auth.asked == [("plain", {**expected, "service": "imap", "ip": "192.0.2.1", "tls": True})]


async def test_scram_is_two_questions_and_the_servers_proof_last() -> None:
    auth, client = Auth(), Client(b"final", b"")
    proven = await authenticate("SCRAM-SHA-256", b"first", ask=auth, talk=client, facts=FACTS)
    assert proven.account == "ann"
    assert client.challenges == [b"r=1", b"v=proof"]
    assert [(verb, args["message"]) for verb, args in auth.asked] == [
        ("scram_first", "first"),
        ("scram_final", "final"),
    ]


async def test_an_answer_to_the_servers_proof_is_refused() -> None:
    with pytest.raises(BadCredentials):
        await authenticate("SCRAM-SHA-256", b"first", ask=Auth(), talk=Client(b"final", b"more"), facts=FACTS)


@pytest.mark.parametrize(
    ("mechanism", "initial", "client"),
    [
        ("PLAIN", b"ann\0secret", Client()),
        ("PLAIN", b"\0\0secret", Client()),
        ("PLAIN", b"\0ann\0", Client()),
        ("PLAIN", b"\0ann\0sec\0ret", Client()),
        ("PLAIN", b"\0ann\0\xff", Client()),
        ("PLAIN", b"\0ann\0" + b"x" * 13_000, Client()),
        ("LOGIN", b"", Client(b"x")),
        ("LOGIN", b"ann", Client(b"")),
        ("LOGIN", b"an\0n", Client(b"x")),
    ],
)
async def test_what_is_not_of_its_form_never_reaches_auth(mechanism: str, initial: bytes, client: Client) -> None:
    auth = Auth()
    with pytest.raises(BadCredentials):
        await authenticate(mechanism, initial, ask=auth, talk=client, facts=FACTS)
    assert auth.asked == []


def test_base64_is_strict() -> None:
    assert decode_base64(b"AGE=") == b"\0a"
    assert [decode_base64(bad) for bad in (b"AGE", b"AG E=", b"AGE=\n", b"*", b"\xff")] == [None] * 5
