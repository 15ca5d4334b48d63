import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message.plain_text import html_text, search_text, text_of
from mail.message.scan import scan


def only_text(octets: bytes, most: int = 1000) -> str:
    return text_of(octets, scan(octets).root, most)


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (b"", b"hi\r\n", "hi\r\n"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n", b"caf\xe9", "café"),
        (b"Content-Type: text/plain; charset*=us-ascii''utf-8\r\n", "ä".encode(), "ä"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n", b"a=C3=A4=\r\nb", "aäb"),
        (b"Content-Transfer-Encoding: base64\r\n", base64.encodebytes("日本".encode()), "日本"),
        (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode("ab".encode("utf-16")), "ab"),
        (b"Content-Transfer-Encoding: x-unknown\r\n", b"as it is", "as it is"),
        (b"", "日本".encode("iso-2022-jp"), "日本"),
        (b"Content-Type: text/html\r\n", b"<meta charset=windows-1251><p>\xcf\xf0", "Пр"),
        (b"Content-Type: text/html; charset=utf-8\r\n", b"<b>a</b>b<br>c", "ab\nc"),
    ],
)
def test_a_part_is_decoded_as_it_declares(head: bytes, body: bytes, text: str) -> None:
    assert only_text(head + b"\r\n" + body) == text


def test_no_more_is_read_than_wanted() -> None:
    assert only_text(b"\r\n" + b"a" * 100_000, 10) == "a" * 10
    assert len(html_text("a" * 100_000 + "<p>", 10)) == 10 and len(html_text("<p>" + "a" * 100_000, 10)) <= 10


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<b>b</b>c <i>d</i>", "abc d"),
        ("<p>a</p><p>b\n c</p>", "a\nb c"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
        ("<html><head><title>x</title><style>p{}</style></head><body>y", "y"),
        ("a<script>if (x</b) '</div>'</script>b<STYLE>c</Style >d<svg><text>e</text></svg>f", "abdf"),
        ("a<script>never ended", "a"),
        ("<svg>never ended", "never ended"),
        ("a<!-- <p>b</p> -->c<!doctype x><?xml y?></>d", "acd"),
        ("a<!-->b", "ab"),
        (
            "1 < 2 &lt;b&gt; &amp;amp; &eacute;&#228;&#xe4;&nosuch; &#99999999999;",
            "1 < 2 <b> &amp; éää&nosuch; &#99999999999;",
        ),
        ("<img src=x alt='a &quot;cat&quot;'><img alt=dog><img title=alt>", 'a "cat" dog'),
        ("<a title='x > y' href=\"z>\">b</a>", "b"),
        ("<p don't>b <i can't>c", "b c"),
        ("a<b", "a"),
        ("a\u00a0 \r\n\tb", "a b"),
    ],
)
def test_html_becomes_what_people_read(html: str, text: str) -> None:
    assert html_text(html, 1000) == text


MESSAGE = (
    b"Subject: not the body\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\none\r\n--x\r\nContent-Type: image/png\r\n\r\nno\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?in=C3=A4?=\r\nX-Y: no\r\n\r\ntwo\r\n--x--\r\n"
)


def test_all_that_is_text_can_be_searched() -> None:
    assert search_text(MESSAGE, scan(MESSAGE), 1000).split("\n") == ["one", "inä", "two"]
    assert search_text(MESSAGE, scan(MESSAGE), 5) == "one\ni"
    assert search_text(MESSAGE, scan(MESSAGE), 0) == ""


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "</",
        "/>",
        "<!--",
        "-->",
        "<p",
        " a='",
        '"',
        "=",
        "<script>",
        "</script",
        "<svg>",
        "<img alt=",
        "&",
        "&#",
        "x1;",
        "é",
    ]
)


@settings(max_examples=200)
@given(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=30).map("".join), st.integers(0, 40))
def test_no_html_makes_it_fail(html: str, most: int) -> None:
    assert len(html_text(html, most)) <= most


@settings(max_examples=100)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"base64", b"quoted-printable", b"x"]),
    st.sampled_from([b"plain", b"html"]),
)
def test_no_part_makes_it_fail(body: bytes, encoding: bytes, kind: bytes) -> None:
    octets = b"Content-Type: text/%s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s" % (kind, encoding, body)
    assert len(only_text(octets, 50)) <= 50
