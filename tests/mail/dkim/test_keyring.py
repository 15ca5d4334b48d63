import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mail.dkim import keyring as keyrings
from mail.dkim.key import parse_key
from mail.dkim.keyring import Keyring
from mail.errors import Exists, Invalid, NotFound

DIGEST = b"d" * 32


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    made = Keyring(tmp_path / "dkim")
    made.prepare()
    return made


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_what_a_key_signs_its_record_verifies(keyring: Keyring, kind: str):
    made = keyring.make("a.example", "one", kind)
    read = Keyring(keyring._folder).key("a.example", "one")
    assert read.kind == kind and read.record == made.record
    assert parse_key(made.record).verifies(read.sign(DIGEST), DIGEST)
    assert not parse_key(made.record).verifies(read.sign(DIGEST), b"e" * 32)


def test_an_rsa_key_has_2048_bits(keyring: Keyring):
    private = keyring.make("a.example", "one", "rsa").private
    assert isinstance(private, RSAPrivateKey) and private.key_size == 2048


def test_nobody_else_may_read_what_is_below_the_folder(tmp_path: Path):
    (tmp_path / "dkim").mkdir(mode=0o755)
    keyring = Keyring(tmp_path / "dkim")
    before = os.umask(0)
    try:
        keyring.prepare()
        keyring.make("a.example", "one", "ed25519")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "dkim", *tmp_path.rglob("*"))}
    assert modes == {"dkim": 0o700, "a.example": 0o700, "one.pem": 0o600}


def test_a_key_is_never_replaced(keyring: Keyring):
    record = keyring.make("a.example", "one", "ed25519").record
    with pytest.raises(Exists):
        keyring.make("a.example", "one", "rsa")
    assert keyring.key("a.example", "one").record == record
    assert [path.name for path in keyring._folder.rglob("*.pem*")] == ["one.pem"]


def test_a_removed_key_signs_no_more_and_leaves_nothing(keyring: Keyring):
    keyring.make("a.example", "one", "ed25519")
    keyring.key("a.example", "one")
    assert keyring.remove("a.example", "one") and not keyring.remove("a.example", "one")
    with pytest.raises(NotFound):
        keyring.key("a.example", "one")
    assert list(keyring._folder.iterdir()) == []


def test_every_key_is_listed_and_half_written_ones_are_not(keyring: Keyring):
    for domain, selector in (("b.example", "two"), ("a.example", "one")):
        keyring.make(domain, selector, "ed25519")
    (keyring._folder / "a.example/.three.pem.77").write_bytes(b"")
    listed = keyring.listed()
    assert [(domain, selector) for domain, selector, _ in listed] == [("a.example", "one"), ("b.example", "two")]
    assert all(at > 1_600_000_000_000 for *_, at in listed)
    assert keyring.listed(most=1) == listed[:1] and keyring.listed(after=("a.example", "one")) == listed[1:]


@pytest.mark.parametrize(
    ("domain", "selector"),
    [("..", "one"), ("a.example", "../one"), ("a/b", "one"), ("a.example", ""), ("", "one"), ("A.example", "one")]
    + [("a.example", "x" * 64), ("a" * 254, "one"), ("a..b", "one"), ("a.example\n", "one"), (".a", "one")],
)
def test_a_name_that_is_none_becomes_no_path(keyring: Keyring, domain: str, selector: str):
    for ask in (keyring.key, keyring.remove, lambda *names: keyring.make(*names, "rsa")):
        with pytest.raises(Invalid):
            ask(domain, selector)


def test_a_file_that_holds_no_key_of_ours_is_told(keyring: Keyring):
    keyring.make("a.example", "one", "ed25519")
    (keyring._folder / "a.example/one.pem").write_bytes(b"nonsense")
    with pytest.raises(Invalid):
        keyring.key("a.example", "one")
    with pytest.raises(Invalid):
        keyring.make("a.example", "two", "dsa")


def test_a_damaged_key_signs_nothing(keyring: Keyring):
    private = keyring.make("a.example", "one", "rsa").private
    numbers = private.private_numbers()  # type: ignore[union-attr]
    wrong = RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d ^ 4, numbers.dmp1 ^ 4, numbers.dmq1, numbers.iqmp, numbers.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    octets = wrong.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (keyring._folder / "a.example/one.pem").write_bytes(octets)
    with pytest.raises(Invalid, match="damaged"):
        keyring.key("a.example", "one")


def test_only_so_many_keys_stay_loaded(keyring: Keyring, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keyrings, "LOADED_MAX", 2)
    for selector in ("one", "two", "three"):
        keyring.make("a.example", selector, "ed25519")
        keyring.key("a.example", selector)
    assert [selector for _, selector in keyring._loaded] == ["two", "three"]
