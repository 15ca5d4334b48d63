import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.imap.mailbox_names import as_inbox, decode_name, decode_utf7, encode_name, encode_utf7


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"&-", "&"),
        (b"a&-b", "a&b"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e"),
    ],
)
def test_modified_utf_7_is_the_rfcs(wire: bytes, name: str) -> None:
    assert decode_utf7(wire) == name
    assert encode_utf7(name) == wire


@pytest.mark.parametrize(
    "wire", [b"&", b"&U", b"&Jjo!", b"&AGE-", b"&AOk-&AOk-", b"&2AA-", b"&AOk", b"&AA-", "\u00e9".encode()]
)
def test_a_second_spelling_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError):
        decode_utf7(wire)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_name_goes_over_the_wire_and_back(name: str) -> None:
    assert decode_utf7(encode_utf7(name)) == name


@given(st.binary(max_size=40))
def test_any_octets_are_a_name_or_refused(wire: bytes) -> None:
    for utf8 in (False, True):
        try:
            name = decode_name(wire, utf8=utf8)
        except ValueError:
            continue
        encode_name(name, utf8=utf8)


def test_the_inbox_is_one_in_any_case() -> None:
    assert as_inbox("INBOX/x") == "Inbox/x"
    assert as_inbox("Inboxes") == "Inboxes"
