import pytest

from mail.dkim.publish import not_published, strings, zone_line
from mail.dns.fake import FakeResolver
from tests.dkim_signer import ed25519_key, record, rsa_key

RECORD = record(rsa_key())
NAME = "TXT s._domainkey.a.example"


def test_a_record_over_255_octets_is_several_strings():
    cut = strings(RECORD)
    assert len(cut) == 2 and "".join(cut) == RECORD and max(map(len, cut)) == 255
    assert strings(record(ed25519_key())) == [record(ed25519_key())]


def test_a_zone_file_has_it_in_one_line():
    line = zone_line("s", "a.example", RECORD)
    first, second = strings(RECORD)
    assert line == f's._domainkey.a.example. IN TXT "{first}" "{second}"'


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([RECORD], ""),
        ([RECORD.replace("; ", ";") + ";"], ""),
        (["unrelated", RECORD], ""),
        ([], "no TXT record"),
        ([record(rsa_key(1024))], "another key"),
        ([record(ed25519_key())], "inappropriate key algorithm"),
        (["v=DKIM1; p="], "key revoked"),
        ([RECORD[:255]], "syntax error"),
    ],
)
async def test_a_key_is_published_when_receivers_would_verify_with_it(records: list[str], words: str):
    resolver = FakeResolver({NAME: records} if records else {})
    found = await not_published("s", "a.example", RECORD, resolver)
    assert words in found and bool(found) == bool(words)


async def test_a_dns_that_does_not_answer_is_no_proof():
    assert await not_published("s", "a.example", RECORD, FakeResolver({}, failing=frozenset({NAME})))
