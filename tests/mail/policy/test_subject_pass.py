import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.policy.subject_pass import is_valid, token

KEY = b"sixteen octets.."
NOW = 1_760_000_000_000
HOUR_MS, HALF_DAY_S = 3_600_000, 12 * 3600
TOKEN = token(KEY, "a@x.example", NOW)


def test_a_token_is_four_octets_of_time_and_twelve_of_proof() -> None:
    match = re.fullmatch(r"\(pass:([\w-]{22})\)", TOKEN)
    assert match
    octets = urlsafe_b64decode(match[1] + "==")
    assert len(octets) == 16 and int.from_bytes(octets[:4]) == NOW // 1000 >> 8


def test_a_token_is_found_anywhere_in_the_subject() -> None:
    for subject in (TOKEN, f"Re: hello {TOKEN}", f"{TOKEN}tail", f"(pass:AAAAAAAAAAAAAAAAAAAAAA) {TOKEN}"):
        assert is_valid(KEY, "a@x.example", subject, NOW, HALF_DAY_S)


def test_a_token_is_for_one_author_and_one_recipient() -> None:
    assert is_valid(KEY, "A@X.example", TOKEN, NOW, HALF_DAY_S)
    assert not is_valid(KEY, "b@x.example", TOKEN, NOW, HALF_DAY_S)
    assert not is_valid(b"another's key...", "a@x.example", TOKEN, NOW, HALF_DAY_S)


def test_a_token_lives_as_long_as_its_period() -> None:
    assert is_valid(KEY, "a@x.example", TOKEN, NOW + 12 * HOUR_MS, HALF_DAY_S)
    assert not is_valid(KEY, "a@x.example", TOKEN, NOW + 13 * HOUR_MS, HALF_DAY_S)
    assert not is_valid(KEY, "a@x.example", TOKEN, NOW - HOUR_MS, HALF_DAY_S)


def test_an_altered_token_is_worth_nothing() -> None:
    octets = bytearray(urlsafe_b64decode(TOKEN[6:-1] + "=="))
    for place in range(16):
        for bit in (1, 0x80):
            altered = bytes([*octets[:place], octets[place] ^ bit, *octets[place + 1 :]])
            text = f"(pass:{urlsafe_b64encode(altered).rstrip(b'=').decode()})"
            assert not is_valid(KEY, "a@x.example", text, NOW + 10 * HOUR_MS, HALF_DAY_S)


def test_only_so_many_tokens_are_tried() -> None:
    assert not is_valid(KEY, "a@x.example", "(pass:AAAAAAAAAAAAAAAAAAAAAA)" * 10 + TOKEN, NOW, HALF_DAY_S)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text("(pas:)AZ_-09", max_size=60), st.text(max_size=20), st.integers(0, 1 << 45))
def test_no_subject_is_too_odd_to_be_looked_at(subject: str, author: str, now: int) -> None:
    assert not is_valid(KEY, author, subject, now, HALF_DAY_S)
    assert is_valid(KEY, author, subject + token(KEY, author, now), now, HALF_DAY_S) or subject.count("(pass:") >= 10
