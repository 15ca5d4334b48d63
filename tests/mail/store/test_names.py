import pytest

from mail.errors import MailboxRefused
from mail.store.names import DEPTH_MAX, checked, normalized, parents


def test_a_name_is_kept_composed_and_the_inbox_as_inbox() -> None:
    assert checked("e\u0301te\u0301/x") == "\u00e9t\u00e9/x"
    assert checked("INBOX") == normalized("inBox") == "Inbox"
    assert checked("inbox/x") == "Inbox/x"
    assert checked("../x/..y".replace("../", "")) == "x/..y"
    assert parents("a/b/c") == ["a", "a/b"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "a\0b",
        "a\nb",
        "a\u2028b",
        "\ud800",
        "a*",
        "a%b",
        "..",
        "a/../b",
        "./a",
        "#news",
        "x" * 1001,
        "a/" * DEPTH_MAX + "a",
    ],
)
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(MailboxRefused):
        checked(name)
