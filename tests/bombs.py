"""Messages made to hurt whoever reads them (security MC-1, appendix A4), each built when it is asked for."""

from collections.abc import Callable

MIXED = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
MESSAGE = b"Content-Type: message/rfc822\r\n\r\n"
MB = 1 << 20


def nesting(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) for number in range(depth)
    )


def boundary(length: int) -> bytes:
    name = b"b" * length
    return b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n" % name + (b"--%s\r\n\r\nx\r\n" % name) * (
        5 * MB // length
    )


def part_headers(field: bytes) -> bytes:
    """900 parts, each with a field as large as can be."""
    return MIXED + (b"--x\r\n" + field[: 60 << 10] + b"\r\n\r\n\r\n") * min(900, 10 * MB // min(len(field), 60 << 10))


def messages(field: bytes) -> bytes:
    """Many messages in one, whose ENVELOPEs are all shown."""
    return MIXED + (b"--x\r\n" + MESSAGE + field + b"\r\n\r\nx\r\n") * min(400, 10 * MB // len(field))


def text(kind: bytes, body: bytes) -> bytes:
    return b"Content-Type: text/plain; charset=%s\r\n%s" % (kind.partition(b"|")[0], kind.partition(b"|")[2]) + body


BASE64 = b"Content-Transfer-Encoding: base64\r\n\r\n"
PRINTABLE = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
PLAIN = b"\r\n"
WORDS = b"Subject: " + b" ".join([b"=?utf-8?q?a?="] * 20_000) + b"\r\n"
NESTED_COMMENTS = b"(" * 5000 + b")" * 5000

BOMBS: dict[str, Callable[[], bytes]] = {
    **{f"nesting {depth}": lambda depth=depth: nesting(depth) for depth in (100, 500, 1000, 3000, 100_000)},
    "nesting, closed": lambda: nesting(3000) + b"".join(b"\r\n--b%d--" % number for number in reversed(range(3000))),
    "nesting around 10 MB": lambda: nesting(19) + b"\r\n" + b"text of a line\r\n" * 655_360,
    "nested messages": lambda: MESSAGE * 2000,
    "nested messages around 10 MB": lambda: MESSAGE * 2000 + b"\r\n" * (5 * MB),
    "nested messages without blank lines": lambda: MESSAGE[:-2] * 200_000,
    "nested messages of one boundary": lambda: (MIXED + b"--x\r\n" + MESSAGE) * 100_000,
    "one boundary in another": lambda: (MIXED + b"--x\r\n") * 200_000,
    "200k siblings": lambda: MIXED + b"--x\r\n\r\n" * 200_000,
    "1.4M siblings": lambda: MIXED + b"--x\r\n\r\n" * 1_400_000,
    "1.4M siblings without a blank line": lambda: MIXED + b"--x\r\n" * 1_400_000,
    "a boundary that begins its like": lambda: MIXED + b"\r\n--xy" * 1_700_000,
    "a boundary of its own prefixes": lambda: (
        b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n" % (b"-" * 70) + b"\r\n--" + b"-" * (10 * MB)
    ),
    "nested boundaries that are prefixes": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n" % (b"b" * number, b"b" * number)
        for number in range(1, 2000)
    ),
    "almost the delimiter": lambda: (
        b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n" % (b"b" * 199 + b"c")
        + (b"\r\n--" + b"b" * 199) * (10 * MB // 203)
    ),
    "delimiters with much behind": lambda: MIXED + (b"--x " + b" " * 5000 + b"\r\n") * 2000,
    **{f"a boundary of {length}": lambda length=length: boundary(length) for length in (70, 200, 10_000)},
    "500k From": lambda: b"From: a@b\r\n" * 500_000 + b"\r\n",
    "100k addresses": lambda: b"To: " + b"a@b, " * 100_000 + b"\r\n\r\n",
    "addresses in many fields": lambda: (b"To: " + b"a@b," * 60 + b"\r\n") * 1000 + b"\r\n",
    "a colon after an address": lambda: b"To: a@b:c:d\r\nFrom: " + b"a@b:" * 10_000 + b"\r\n\r\n",
    "addresses of nothing": lambda: messages(b"From: " + b"()" * 12_000 + b"\r\nTo: " + b":;" * 6000),
    "addresses of quotes": lambda: messages(b"To: " + b'"\\"' * 8000),
    "addresses of words": lambda: messages(b"To: " + b"a " * 12_000),
    "groups in groups": lambda: messages(b"To: " + b"a:" * 12_000),
    "20k encoded words": lambda: WORDS + b"\r\n",
    "encoded words folded": lambda: b"Subject:" + b"\r\n =?utf-8?b?YQ==?=" * 20_000 + b"\r\n\r\n",
    "encoded words never ended": lambda: b"Subject: " + (b"=?utf-8?q?" + b"=" * 1990) * 32 + b"\r\n\r\n",
    "encoded words in names": lambda: b"From: " + b"=?a?q?b?= " * 6000 + b"<a@b>\r\nTo: " + b"=?a?q?b?= <a@b>," * 4000,
    "20k parameters": lambda: (
        b"Content-Type: a/b" + b"".join(b"; a*%d=b" % (3 * n) for n in range(20_000)) + b"\r\n\r\n"
    ),
    "parameters in many parts": lambda: part_headers(b"Content-Type: a/b" + b"; a=b" * 12_000),
    "semicolons in many parts": lambda: part_headers(b"Content-Type: a/b" + b";" * 60_000),
    "quotes in many parts": lambda: part_headers(b"Content-Disposition: a" + b';a="\\"' * 10_000),
    "comments in many parts": lambda: part_headers(b"Content-Type: (" + b"()" * 30_000),
    "nested comments": lambda: (
        b"To: a@b " + NESTED_COMMENTS + b"\r\nContent-Type: a/b " + NESTED_COMMENTS + b"\r\n\r\n"
    ),
    "comments never ended": lambda: b"To: " + b"(" * 60_000 + b"\r\n\r\n",
    "a header of 50 MB": lambda: b"X: " + b"a" * (50 * MB),
    "a header of 50 MB and a body": lambda: b"X: " + b"a" * (50 * MB) + b"\r\n\r\nx\r\n",
    "a header of folds": lambda: b"X:" + b"\r\n a" * (2 * MB) + b"\r\n\r\n",
    "a field name of 200 KB": lambda: b"X" * 200_000 + b": y\r\n\r\n",
    "1M fields": lambda: b"a:b\r\n" * 1_000_000,
    "fields in many parts": lambda: MIXED + (b"--x\r\n" + b"a: b\r\n" * 1000 + b"\r\n\r\n") * 900,
    "lines without colons": lambda: b"a\r\n" * 2_000_000,
    "blanks in a header": lambda: b"Subject:" + b" " * 60_000 + b"x\r\nDate:" + b" " * 60_000 + b"x\r\n\r\n",
    "base64 of 50 MB in one line": lambda: text(b"utf-8|" + BASE64, b"QUJD" * (12 * MB)),
    "base64 of nothing": lambda: text(b"utf-8|" + BASE64, b"\xff=*\r\n" * (2 * MB)),
    "soft breaks only": lambda: text(b"utf-8|" + PRINTABLE, b"=\r\n" * (3 * MB)),
    "quoted octets only": lambda: text(b"iso-2022-jp|" + PRINTABLE, b"=1B" * (3 * MB)),
    "uuencode in text": lambda: text(b"us-ascii|" + PLAIN, b"begin 644 a\r\n" + b"M" * 61 + b"\r\nend\r\n") * 10_000,
    "not UTF-8": lambda: text(b"utf-8|" + PLAIN, b"\xff" * (10 * MB)),
    "ISO-2022-JP shifts": lambda: text(b"iso-2022-jp|" + PLAIN, b"\x1b$B\x1b(B" * (MB + MB // 2)),
    "utf-7": lambda: text(b"utf-7|" + PLAIN, b"+ADw-script+AD4-" * 600_000),
    "x-unknown": lambda: text(b"x-unknown|" + PLAIN, b"\xe4" * (10 * MB)),
    "a charset name of 10 KB": lambda: text(b"c" * 10_000 + b"|" + PLAIN, b"\xe4" * (10 * MB)),
    "tags": lambda: b"Content-Type: text/html\r\n\r\n" + b"<" * (10 * MB),
    "open tags": lambda: b"Content-Type: text/html\r\n\r\n" + b"<a b='" * (10 * MB // 6),
    "deep tags": lambda: b"Content-Type: text/html\r\n\r\n" + b"<div>" * (2 * MB),
    "comments of HTML": lambda: b"Content-Type: text/html\r\n\r\n" + b"<!--" * (10 * MB // 4),
    "scripts": lambda: b"Content-Type: text/html\r\n\r\n" + b"<script>" * (10 * MB // 8),
    "entities": lambda: b"Content-Type: text/html\r\n\r\n" + b"&amp;&#x41;&nosuch" * (10 * MB // 18),
    "ampersands": lambda: b"Content-Type: text/html\r\n\r\n" + b"&" * (10 * MB),
    "NUL": lambda: b"\0: \0\r\nSubject: \0\r\nContent-Type: \0/\0\r\nFrom: \0 <\0@\0>\r\n\r\n\0" + b"\0" * MB,
    "only a header": lambda: b"Subject: x\r\nFrom: a@b\r\n",
    "only an empty line": lambda: b"\r\n",
    "nothing": lambda: b"",
    "a dot": lambda: b".",
    "line ends": lambda: b"Subject: x\r\n\r\n" + b"\r\n" * (5 * MB),
}
