import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mail.dkim.key import BadKey, Published, ask, ask_all, choose_key, key_name, parse_key
from mail.dns.fake import FakeResolver

RSA = rsa.generate_private_key(65537, 1024).public_key()
ED25519 = Ed25519PrivateKey.generate()
SPKI = base64.b64encode(RSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
PKCS1 = base64.b64encode(RSA.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
RAW = base64.b64encode(ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
# Of 512 bits, from `openssl genrsa`.
SHORT = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALgxXzHsGDeLqVv+TrttPzZ+3hkwHhvIR1un8VSTQNNtAFWS+AUmU7Mr8ZbwUfzL"
    "Ad4SsC4dO54CwQsrvY3FJhUCAwEAAQ=="
)


def test_both_forms_of_an_rsa_key_are_read_and_the_rest_has_its_default() -> None:
    for text in (f"v=DKIM1; k=rsa; p={SPKI}", f"p={PKCS1};", f"v=DKIM1;\r\n p={SPKI[:60]}\n{SPKI[60:]}\n"):
        key = parse_key(text)
        assert (key.kind, key.bits, key.hashes, key.services) == ("rsa", 1024, None, (b"*",))
        assert not key.testing and not key.strict


def test_an_ed25519_key_verifies_the_digest_it_signed() -> None:
    key = choose_key([f"v=DKIM1; k=ed25519; p={RAW}"], kind="ed25519", service="email")
    assert key.bits == 256 and key.verifies(ED25519.sign(b"d" * 32), b"d" * 32)
    assert not key.verifies(ED25519.sign(b"d" * 32), b"e" * 32) and not key.verifies(b"short", b"d" * 32)


def test_flags_are_read_and_unknown_ones_ignored() -> None:
    key = parse_key(f"v=DKIM1; t= y : s:z; h=sha1:sha256; s=email:new; n=a note; g=*; p={SPKI}")
    assert key.testing and key.strict and key.hashes == (b"sha1", b"sha256") and key.services == (b"email", b"new")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "key syntax error"),
        ("v=spf1 -all", "not a DKIM key record"),
        (f"v=DKIM2; p={SPKI}", "not a DKIM key record"),
        ("v=DKIM1; k=rsa", "key record without p="),
        ("v=DKIM1; k=rsa; p=", "key revoked"),
        (f"v=DKIM1; k=dsa; p={SPKI}", "unknown key type"),
        (f"v=DKIM1; k=ed25519; p={SPKI}", "key syntax error"),
        (f"v=DKIM1; p={SPKI[:-4]}", "key syntax error"),
        (f"v=DKIM1; p={SPKI}; p={SPKI}", "key syntax error"),
        (f"v=DKIM1; h=; p={SPKI}", "key syntax error"),
        (f"v=DKIM1; n={'x' * 5000}; p={SPKI}", "key record too long"),
        ("v=DKIM1; p=€€", "key syntax error"),
    ],
)
def test_a_record_that_holds_no_key_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadKey, match=reason):
        parse_key(text)


def test_a_key_of_another_kind_in_the_record_is_no_rsa_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = base64.b64encode(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    with pytest.raises(BadKey, match="holds no such key"):
        parse_key(f"p={text}")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("k=ed25519; p=" + RAW, "inappropriate key algorithm"),
        ("h=sha1; p=" + SPKI, "inappropriate hash algorithm"),
        ("s=tlsrpt; p=" + SPKI, "another service"),
        ("p=" + SHORT, "512 bits"),
    ],
    ids=("other-kind", "other-hash", "other-service", "too-short"),
)
def test_a_key_that_may_not_sign_this_is_refused(flags: str, reason: str) -> None:
    with pytest.raises(BadKey, match=reason):
        choose_key([f"v=DKIM1; {flags}"], kind="rsa", service="email")


def test_a_key_for_reports_verifies_reports() -> None:
    for services in ("tlsrpt", "*", "email:tlsrpt"):
        assert choose_key([f"s={services}; p={SPKI}"], kind="rsa", service="tlsrpt")


def test_of_several_records_the_first_that_fits_counts() -> None:
    records = ["junk", "v=DKIM1; p=", f"v=DKIM1; k=ed25519; p={RAW}", f"v=DKIM1; p={SPKI}"]
    assert choose_key(records, kind="rsa", service="email").kind == "rsa"
    assert choose_key(records, kind="ed25519", service="email").kind == "ed25519"
    with pytest.raises(BadKey, match="key revoked"):
        choose_key(["v=DKIM1; p=", "junk"], kind="rsa", service="email")
    with pytest.raises(BadKey, match="no key"):
        choose_key([], kind="rsa", service="email")


async def test_no_record_and_no_answer_are_kept_apart() -> None:
    name = key_name("s", "a.example")
    resolver = FakeResolver({f"TXT {name}": ["p="]}, secure=[f"TXT {name}"], failing=["TXT s._domainkey.b.example"])
    assert await ask(name, resolver) == Published(("p=",), True)
    asked = await ask_all([name, "s._domainkey.b.example", "s._domainkey.c.example"], resolver)
    assert [one.failed for one in asked.values()] == [False, True, False]


@given(
    st.text(max_size=100) | st.lists(st.sampled_from(["p=", SPKI, ";", "t=", "y", ":", "h=sha256", " "])).map("".join)
)
def test_any_text_is_a_key_or_a_bad_key(text: str) -> None:
    try:
        choose_key([text], kind="rsa", service="email")
    except BadKey as error:
        assert str(error)
