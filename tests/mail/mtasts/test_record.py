import pytest

from mail.dns.fake import FakeResolver
from mail.dns.resolver import LookupFailed
from mail.mtasts.record import NoPolicy, Record, lookup_record, parse_record


@pytest.mark.parametrize(
    "text",
    [
        "v=STSv1; id=20160831085700Z;",
        "v=STSv1;id=20160831085700Z",
        "v=STSv1 ;\tid=20160831085700Z ; x=y; ",
        "v=STSv1; ext.1=a:b; id=20160831085700Z;",
    ],
)
def test_a_record_names_its_policy(text):
    assert parse_record(text) == Record("20160831085700Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=STSv1",
        "v=STSv1;",
        "v=STSv2; id=1;",
        "V=STSv1; id=1;",
        "v=STSv1; id=;",
        "v=STSv1; id=1-2;",
        f"v=STSv1; id={'1' * 33};",
        "v=STSv1; id=1;; x=y",
        "v=STSv1; id=1; nonsense",
        "id=1; v=STSv1;",
        "v=STSv1; id=1; id=2-3",
    ],
)
def test_what_is_no_record_names_none(text):
    with pytest.raises(NoPolicy, match="record-syntax"):
        parse_record(text)


async def looked_up(*records: str, **more) -> Record:
    return await lookup_record(FakeResolver({"TXT _mta-sts.a.test": records} if records else {}, **more), "a.test")


async def test_exactly_one_record_counts_and_others_are_passed_over():
    assert await looked_up("v=spf1 -all", "v=STSv1; id=1;", "v=STSv10; id=3;") == Record("1")
    for records, reason in (
        ((), "no-record"),
        (("v=spf1",), "no-record"),
        (("v=STSv1; id=1;", "v=STSv1; id=2;"), "multiple-records"),
        (("v=STSv1; id=;",), "record-syntax"),
    ):
        with pytest.raises(NoPolicy, match=reason):
            await looked_up(*records)


async def test_what_the_dns_cannot_say_is_not_taken_for_no_record():
    with pytest.raises(LookupFailed):
        await looked_up(failing={"TXT _mta-sts.a.test"})


async def test_the_record_may_be_kept_elsewhere():
    zone = {"CNAME _mta-sts.a.test": ["sts.host.test."], "TXT sts.host.test": ["v=STSv1; id=7"]}
    assert await lookup_record(FakeResolver(zone), "a.test") == Record("7")
