import pytest
from scramp import ScramMechanism

from mail.accounts import passwords
from mail.errors import BadPassword


def test_a_password_is_normalized_before_it_is_measured_or_compared() -> None:
    assert passwords.transformed("u\u0308ber alles") == "\u00fcber alles"
    assert passwords.transformed("a\u00a0b\u3000c") == "a b c"
    assert passwords.transformed("\u212bngstr\u00f6m") == "\u00c5ngstr\u00f6m"


@pytest.mark.parametrize("bad", ["", "tab\tin it", "nul\0in it", "a\u0378unassigned", "x" * 513, "\u00fc" * 257])
def test_what_rfc_8265_forbids_is_refused(bad: str) -> None:
    with pytest.raises(BadPassword):
        passwords.transformed(bad)


@pytest.mark.parametrize(
    ("password", "admin", "says"),
    [
        ("seven77", False, "at least 8"),
        ("elevenchars", True, "at least 12"),
        ("password", False, "guessed first"),
        ("PASSWORD123", False, "guessed first"),
    ],
)
def test_a_weak_password_is_refused_and_told_why(password: str, admin: bool, says: str) -> None:
    with pytest.raises(BadPassword, match=says):
        passwords.checked(password, admin=admin)


def test_length_counts_octets() -> None:
    assert passwords.checked("\u00fc\u00f6\u00e4\u00df") == "\u00fc\u00f6\u00e4\u00df"


def test_what_is_kept_proves_the_password_and_reveals_none() -> None:
    kept = passwords.verifiers("correct horse")
    assert passwords.matches(kept.argon2, "correct horse")
    assert not passwords.matches(kept.argon2, "correct horsf")
    assert "correct" not in repr(kept)
    assert kept.argon2.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept.scram_iterations == 60_000


def test_the_scram_verifier_is_the_one_everyone_derives() -> None:
    kept = passwords.verifiers("pencil12")
    _, stored, server, _ = ScramMechanism("SCRAM-SHA-256").make_auth_info(
        "pencil12", iteration_count=kept.scram_iterations, salt=kept.scram_salt
    )
    assert (kept.scram_stored_key, kept.scram_server_key) == (stored, server)


def test_a_hash_of_older_parameters_is_told_and_a_broken_one_matches_nothing() -> None:
    older = passwords.PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("correct horse")
    assert passwords.outdated(older) and passwords.matches(older, "correct horse")
    assert not passwords.outdated(passwords.verifiers("correct horse").argon2)
    assert not passwords.matches("$argon2id$broken", "x")


def test_an_unknown_user_always_seems_to_have_the_same_salt() -> None:
    salts = {passwords.no_ones_salt(b"secret", "ghost@x.org") for _ in range(3)}
    assert len(salts) == 1
    assert len(salts.pop()) == passwords.SALT_OCTETS
    assert passwords.no_ones_salt(b"secret", "other@x.org") != passwords.no_ones_salt(b"secret", "ghost@x.org")
