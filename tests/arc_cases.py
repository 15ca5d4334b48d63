"""Chains for a validator of ARC, right and wrong in one way each: what RFC 8617 and what it takes from RFC 6376 say.

Each case is a message as it is transported, the TXT records there are, and the state the chain has.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.arc_sealer import Shape, sealed
from tests.dkim_signer import MESSAGE, NOW, ed25519_key, record, rsa_key

RSA, ED = "rsa._domainkey.a.example", "ed._domainkey.a.example"
PUBLISHED = {RSA: [record(rsa_key())], ED: [record(ed25519_key())]}
# A key of 512 bits, which the libraries do not make any more: SubjectPublicKeyInfo around a number.
SHORT_DER = bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100") + b"\xc1" * 64 + b"\x02\x03\x01\x00\x01"
SHORT = f"v=DKIM1; k=rsa; p={base64.b64encode(SHORT_DER).decode()}"


@dataclass(frozen=True)
class Case:
    cv: str
    message: bytes
    records: Mapping[str, list[str]] = field(default_factory=lambda: PUBLISHED)


def once(**more: object) -> bytes:
    return sealed(MESSAGE, **more)  # type: ignore[arg-type]


def without(message: bytes, *names: bytes, instance: int) -> bytes:
    """Without the fields of these names in one set."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = head.replace(b"\r\n\t", b"\0\t").replace(b"\r\n ", b"\0 ").split(b"\r\n")
    mark = b"i=%d;" % instance
    kept = [one for one in fields if not (one.partition(b":")[0].lower() in names and mark in one)]
    assert len(kept) == len(fields) - len(names)
    return b"\r\n".join(kept).replace(b"\0", b"\r\n") + b"\r\n\r\n" + body


def doubled(message: bytes, name: bytes) -> bytes:
    """With the first field of that name twice."""
    start = message.index(name)
    end = start
    while True:
        end = message.index(b"\r\n", end) + 2
        if message[end : end + 1] not in b" \t":
            return message[:start] + message[start:end] * 2 + message[end:]


def changed(message: bytes, old: bytes, new: bytes) -> bytes:
    assert message.count(old) == 1, old
    return message.replace(old, new)


def chains() -> Iterator[tuple[str, Case]]:
    one, two, three = once(), sealed(once()), sealed(sealed(once()))
    yield "no chain", Case("none", MESSAGE)
    yield "one set", Case("pass", one)
    yield "two sets", Case("pass", two)
    yield "three sets", Case("pass", three)
    fifty = MESSAGE
    for _ in range(50):
        fifty = sealed(fifty)
    yield "fifty sets", Case("pass", fifty)
    yield "fifty-one sets", Case("fail", sealed(fifty))
    yield "ed25519", Case("pass", once(s="ed"))
    yield "ed25519 upon rsa", Case("pass", sealed(one, s="ed"))
    yield "line ends of Unix", Case("pass", two.replace(b"\r\n", b"\n"))
    yield "changed between the seals", Case("pass", sealed(changed(one, b"Dear", b"Fear")))
    yield "body changed", Case("fail", changed(two, b"Dear", b"Fear"))
    yield "body longer", Case("fail", two + b"more\r\n")
    yield "signed field changed", Case("fail", changed(two, b"Subject: Hello", b"Subject: Hullo"))
    yield "unsigned field added", Case("pass", b"X-New: 1\r\n" + two)
    yield "a second From above", Case("fail", b"From: Eve <eve@e.example>\r\n" + two)
    yield "a second From below", Case("fail", two.replace(b"\r\nTo: ", b"\r\nFrom: Eve <eve@e.example>\r\nTo: "))
    twice = b"From: Eve <eve@e.example>\r\n" + MESSAGE
    yield "two From, both signed", Case("pass", sealed(twice, ams={"h": "from:from"}))
    yield "two From, one signed", Case("fail", sealed(twice))
    yield "first seal is cv=pass", Case("fail", once(cv="pass"))
    yield "first seal is cv=fail", Case("fail", once(cv="fail"))
    yield "second seal is cv=none", Case("fail", sealed(one, cv="none"))
    yield "second seal is cv=fail", Case("fail", sealed(one, cv="fail"))
    yield "sealed on after cv=fail", Case("fail", sealed(sealed(one, cv="fail")))
    yield "sealed on after a wrong seal", Case("fail", sealed(sealed(MESSAGE, cv="pass")))
    yield "older message signature does not verify", Case("pass", sealed(once(ams={"bh": "YWJj"})))
    yield "older seal does not verify", Case("fail", sealed(changed(one, b"x1.example", b"y1.example")))
    yield "results of a set changed", Case("fail", changed(two, b"x1.example", b"y1.example"))


def structures() -> Iterator[tuple[str, Case]]:
    one, two, three = once(), sealed(once()), sealed(sealed(once()))
    names = {
        "results": b"arc-authentication-results",
        "message signature": b"arc-message-signature",
        "seal": b"arc-seal",
    }
    for what, name in names.items():
        yield f"no {what}", Case("fail", without(one, name, instance=1))
        yield f"no {what} in the older set", Case("fail", without(two, name, instance=1))
        yield f"no {what} in the newer set", Case("fail", without(two, name, instance=2))
        written = name.title().replace(b"Arc", b"ARC")
        yield f"two of {what}", Case("fail", doubled(one, written + b":"))
        for other in sorted({*names.values()} - {name}):
            rest = without(without(one, name, instance=1), other, instance=1)
            yield f"only one field beside {what} and {other.decode()}", Case("fail", rest)
        for number in ("", "0", "51", "100", "x", "-1", "1.0", "１"):
            numbered = one.replace(written + b": i=1;", f"{written.decode()}: i={number};".encode())
            yield f"{what} with i={number}", Case("fail", numbered)
        missing = one.replace(written + b": i=1; ", written + b": ")
        yield f"{what} without i=", Case("fail", missing)
    all_names = tuple(names.values())
    yield "first set is gone", Case("fail", without(two, *all_names, instance=1))
    yield "middle set is gone", Case("fail", without(three, *all_names, instance=2))
    yield "newest set is gone", Case("pass", without(three, *all_names, instance=3))
    yield "i= of the results is not first", Case("fail", once(aar="x1.example; i={i}; spf=pass"))
    yield "results with comments and blanks", Case("pass", once(aar=" (a) i (b) = {i} (c) ; x.example; none"))
    yield "results folded", Case("pass", once(aar="i={i};\r\n\tx.example;\r\n spf=pass"))
    yield "results without a result", Case("pass", once(aar="i={i}; x.example"))
    yield "results of another instance", Case("fail", once(aar="i=2; x.example; spf=pass"))
    head, _, body = two.partition(b"\r\n\r\n")
    fields = head.replace(b"\r\n\t", b"\0\t").replace(b"\r\n ", b"\0 ").split(b"\r\n")
    turned = [*fields[5:2:-1], *fields[2::-1], *fields[6:]]
    yield "in another order", Case("pass", b"\r\n".join(turned).replace(b"\0", b"\r\n") + b"\r\n\r\n" + body)
    yield "names in another case", Case("pass", two.replace(b"ARC-Seal:", b"arc-SEAL :"))


# What holds for the tag lists of both signatures: (name, state, shape, tags).
FORMATS: list[tuple[str, str, Shape, dict[str, str | None]]] = [
    ("a semicolon at the end", "pass", Shape("{tags}; b={b};"), {}),
    ("two semicolons at the end", "fail", Shape("{tags}; b={b};;"), {}),
    ("no semicolon at the end", "pass", Shape("{tags}; b={b}"), {}),
    ("blanks around the semicolons", "pass", Shape("{tags} ; b={b} ; ", between=" \t; "), {}),
    ("blanks around the equals signs", "pass", Shape("{tags}; b = {b}", equals=" =\t"), {}),
    ("lines around the semicolons", "pass", Shape("{tags}\r\n\t;\r\n b={b}", between=";\r\n\t"), {}),
    ("no blanks at all", "pass", Shape("{tags};b={b}", between=";"), {}),
    ("signature first", "pass", Shape("b={b}; {tags}"), {}),
    ("a tag twice", "fail", Shape("s=rsa; {tags}; b={b}"), {}),
    ("a tag without a value and name", "fail", Shape("{tags}; =; b={b}"), {}),
    ("a word without equals sign", "fail", Shape("{tags}; word; b={b}"), {}),
    ("a name with a dash", "fail", Shape("{tags}; x-y=1; b={b}"), {}),
    ("a name with a digit first", "fail", Shape("{tags}; 1x=1; b={b}"), {}),
    ("an unknown tag", "pass", Shape("{tags}; new=thing; b={b}"), {}),
    ("an empty unknown tag", "pass", Shape("{tags}; new=; b={b}"), {}),
    ("names in capitals", "fail", Shape("{tags}; B={b}"), {}),
    ("a= in capitals", "fail", Shape(), {"a": "RSA-SHA256"}),
    ("no a=", "fail", Shape(), {"a": None}),
    ("empty a=", "fail", Shape(), {"a": ""}),
    ("a=rsa-sha1", "fail", Shape(), {"a": "rsa-sha1"}),
    ("unknown a=", "fail", Shape(), {"a": "rsa-sha512"}),
    ("a= of another kind", "fail", Shape(), {"a": "ed25519-sha256"}),
    ("no b=", "fail", Shape("{tags}"), {}),
    ("empty b=", "fail", Shape("{tags}; b="), {}),
    ("b= is no base64", "fail", Shape("{tags}; b=!{b}"), {}),
    ("b= with blanks", "pass", Shape("{tags}; b=\r\n\t {b}\r\n\t "), {}),
    ("b= of something else", "fail", Shape("{tags}; b=YWJj{b}"), {}),
    ("no d=", "fail", Shape(), {"d": None}),
    ("empty d=", "fail", Shape(), {"d": ""}),
    ("d= in another case", "pass", Shape(), {"d": "A.Example"}),
    ("d= of one label", "fail", Shape(), {"d": "example"}),
    ("d= with a comment", "fail", Shape(), {"d": "a.example(x)"}),
    ("d= without a key", "fail", Shape(), {"d": "b.example"}),
    ("no s=", "fail", Shape(), {"s": None}),
    ("empty s=", "fail", Shape(), {"s": ""}),
    ("s= without a key", "fail", Shape(), {"s": "other"}),
    ("t= in the past", "pass", Shape(), {"t": "12345"}),
    ("empty t=", "fail", Shape(), {"t": ""}),
    ("t= is no number", "fail", Shape(), {"t": "now"}),
    ("t= is negative", "fail", Shape(), {"t": "-1"}),
]


def formats() -> Iterator[tuple[str, Case]]:
    for name, cv, shape, tags in FORMATS:
        yield f"seal: {name}", Case(cv, once(shape=shape, **tags))
        yield f"message signature: {name}", Case(cv, once(ams_shape=shape, ams=tags))
    for cv, value in {"no": None, "empty": "", "unknown": "maybe", "in capitals": "NONE"}.items():
        yield f"seal: cv= {cv}", Case("fail", once(cv=value))
    yield "seal: h=", Case("fail", once(h="from"))
    yield "seal: bh= and c=", Case("pass", once(c="simple/simple", bh="YWJj"))
    yield "seal: sealed later than now", Case("pass", once(t=str(NOW + 9999)))


def message_signatures() -> Iterator[tuple[str, Case]]:
    def case(cv: str, **tags: str | None) -> Case:
        return Case(cv, once(ams=tags))

    yield "bh= missing", case("fail", bh=None)
    yield "bh= empty", case("fail", bh="")
    yield "bh= no base64", case("fail", bh="!!")
    yield "bh= of another body", case("fail", bh="YWJj")
    for canonical in ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "relaxed", "simple"):
        yield f"c={canonical}", case("pass", c=canonical)
    yield "c= missing, simple", case("pass", c=None)
    yield "c= missing, relaxed", Case("pass", once(ams={"c": None}, meant="relaxed/relaxed"))
    for canonical in ("", "relaxed/", "/relaxed", "nofws/simple", "RELAXED/RELAXED"):
        yield f"c={canonical} is none", Case("fail", once(ams={"c": canonical}, meant="relaxed/relaxed"))
    yield "h= missing", case("fail", h=None)
    yield "h= empty", case("fail", h="")
    yield "h= with an empty name", case("fail", h="from::to")
    yield "h= without From", case("fail", h="to:subject")
    yield "h= in another case and with blanks", case("pass", h="FROM : to\r\n\t:Subject")
    yield "h= in another order", case("pass", h="subject:date:to:from")
    yield "h= names a field twice", case("pass", h="from:from:to:to:subject")
    yield "h= names what is not there", case("pass", h="from:to:x-nothing:cc")
    yield "h= names what came later", Case("fail", b"Cc: x@b.example\r\n" + once(ams={"h": "from:to:cc"}))
    results = {"h": "from:arc-authentication-results"}
    yield "h= names the results", Case("pass", sealed(once(ams=results), ams=results))
    yield "h= names ARC-Seal", case("fail", h="from:to:arc-seal")
    yield "h= names ARC-Seal in capitals", case("fail", h="from:to:ARC-SEAL")
    older = sealed(once(), ams={"h": "from:arc-message-signature:arc-authentication-results"})
    yield "h= names the older set", Case("pass", older)
    yield "v=1", case("pass", v="1")
    yield "q=dns/txt", case("pass", q="dns/txt")
    yield "x= to come", case("pass", t=str(NOW - 9), x=str(NOW + 9))
    yield "x= past", case("fail", x=str(NOW - 1))
    yield "x= before t=", case("fail", t=str(NOW + 9), x=str(NOW + 8))
    yield "t= to come", case("fail", t=str(NOW + 9999))
    size = len(b"Dear Bob,\r\n\r\nbye\r\n")
    yield "l= of the whole body", case("pass", l=str(size))
    yield "l= shorter than the body", case("fail", l="4")
    yield "l= longer than the body", Case("fail", once(ams={"l": str(size)}).replace(b"l=18", b"l=19"))
    yield "l= and text added", Case("fail", once(ams={"l": str(size)}) + b"more\r\n")
    yield "l= is no number", Case("fail", once(ams={"l": str(size)}).replace(b"l=18", b"l=x"))


def canonicalization() -> Iterator[tuple[str, Case]]:
    message = once()
    yield "blanks at the end of a line of the body", Case("pass", changed(message, b"bye\r\n", b"bye \t\r\n"))
    yield "more blanks in the body", Case("pass", changed(message, b"Dear  Bob", b"Dear \t Bob"))
    yield "no blank in the body", Case("fail", changed(message, b"Dear  Bob", b"DearBob"))
    yield "lines at the end of the body", Case("pass", message + b"\r\n\r\n")
    yield "no line at the end of the body", Case("pass", message.rstrip() + b"\r\n")
    yield "names of fields in another case", Case("pass", changed(message, b"\r\nSubject:", b"\r\nsUBJECT:"))
    yield "unfolded", Case("pass", changed(message, b"there,\r\n\tBob", b"there, Bob"))
    yield "blanks at the end of a field", Case("pass", changed(message, b"<bob@b.example>", b"<bob@b.example> \t"))
    yield "blanks in a field", Case("pass", changed(message, b"To: Bob <", b"To: Bob   <"))
    yield "blanks around the colon", Case("pass", changed(message, b"\r\nTo: Bob", b"\r\nTo \t:  Bob"))
    yield "blanks in a seal", Case("pass", changed(sealed(message), b"ARC-Seal: i=2; a=", b"ARC-Seal: i=2;\r\n\ta="))
    simple = once(ams={"c": "simple/simple"})
    yield "simple: blanks in the body", Case("fail", changed(simple, b"bye\r\n", b"bye \r\n"))
    yield "simple: lines at the end of the body", Case("pass", simple + b"\r\n")
    yield "simple: case of a name", Case("fail", changed(simple, b"\r\nSubject:", b"\r\nsubject:"))
    empty = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    yield "empty body", Case("pass", sealed(empty))
    yield "simple: empty body", Case("pass", sealed(empty, ams={"c": "simple/simple"}))
    yield "octets beyond ASCII", Case("pass", sealed(MESSAGE.replace(b"Bob", "Bób".encode()).replace(b"bye", b"\xe4")))


def keys() -> Iterator[tuple[str, Case]]:
    message, good = once(), record(rsa_key())
    half = len(good) // 2
    for name, cv, records in (
        ("no key", "fail", None),
        ("nonsense", "fail", ["nonsense"]),
        ("revoked", "fail", ["v=DKIM1; k=rsa; p="]),
        ("another key", "fail", [record(rsa_key(1024))]),
        ("512 bits", "fail", [SHORT]),
        ("of another kind", "fail", [record(ed25519_key())]),
        ("for another hash", "fail", [record(rsa_key(), "h=sha1; ")]),
        ("for both hashes", "pass", [record(rsa_key(), "h=sha1:sha256; ")]),
        ("for another service", "fail", [record(rsa_key(), "s=tlsrpt; ")]),
        ("for e-mail", "pass", [record(rsa_key(), "s=email; ")]),
        ("tested", "pass", [record(rsa_key(), "t=y; ")]),
        ("strict", "pass", [record(rsa_key(), "t=s; ")]),
        ("with notes and unknown tags", "pass", [record(rsa_key(), "n=a note; g=*; zz=1; ")]),
        ("of another version", "fail", [good.replace("DKIM1", "DKIM2")]),
        ("without version and kind", "pass", [good.replace("v=DKIM1; k=rsa; ", "")]),
        ("with blanks", "pass", [good[:half] + " \t" + good[half:]]),
        ("with line ends", "pass", [good[:half] + "\n" + good[half:] + "\n"]),
        ("and other records", "pass", ["other", good]),
    ):
        yield f"key: {name}", Case(cv, message, {RSA: records} if records else {})
    small = generate_private_key(65537, 1024)
    yield "key: 1024 bits", Case("pass", once(key=small), {RSA: [record(small)]})
    large = generate_private_key(65537, 4096)
    yield "key: 4096 bits", Case("pass", once(key=large), {RSA: [record(large)]})
    other = {"other._domainkey.b.example": [record(rsa_key())]}
    yield "key: two domains", Case("pass", sealed(message, s="other", d="b.example"), PUBLISHED | other)


def cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for group in (chains, structures, formats, message_signatures, canonicalization, keys):
        for name, case in group():
            assert name not in found, name
            found[name] = case
    return found
