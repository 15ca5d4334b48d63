import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.address import Address
from mail.dmarc.record import POLICIES, RECORD_OCTETS, URIS_MAX, ReportUri, parse_record

RUA = "rua=mailto:r@a.example"


def test_what_is_not_said_has_its_default() -> None:
    record = parse_record("v=DMARC1; p=none")
    assert record is not None
    assert (record.p, record.sp, record.np, record.psd, record.adkim, record.aspf) == ("none", "", "", "u", "r", "r")
    assert (record.pct, record.testing, record.fo, record.rf, record.ri) == (100, False, ("0",), ("afrf",), 86400)
    assert record.rua == record.ruf == ()


def test_all_tags_are_read_in_any_order_and_case() -> None:
    record = parse_record(
        "v = DMARC1 ;RI=3600;t=Y ; pct=25;fo=1:d:s ; rf=afrf:iodef; aspf=S; adkim=s; psd=N; np=Reject;"
        " sp = quarantine ; ruf=mailto:f@a.example; P=REJECT;;x=y; unknown"
    )
    assert record is not None
    assert (record.p, record.sp, record.np, record.psd, record.adkim, record.aspf) == (
        *("reject", "quarantine", "reject"),
        *("n", "s", "s"),
    )
    assert (record.pct, record.testing, record.fo, record.rf) == (25, True, ("1", "d", "s"), ("afrf", "iodef"))
    assert record.ri == 3600 and record.ruf[0].address == Address("f", "a.example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p=reject; v=DMARC1",
        "v=dmarc1; p=reject",
        "v=DMARC10; p=reject",
        "v=DMARC1 p=reject",
        "v=DMARC2; p=reject",
        " v=DMARC1; p=reject",
        "v=spf1 -all",
        "v=DMARC1;" + " " * RECORD_OCTETS,
    ],
)
def test_what_does_not_begin_with_the_version_is_none(text: str) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("tags", "p"),
    [
        ("p=reject", "reject"),
        ("p=Quarantine", "quarantine"),
        ("", ""),
        ("p=", ""),
        ("p=discard", ""),
        ("sp=reject", ""),
        ("p=reject; sp=discard", ""),
        ("p=reject; np=discard", ""),
        (f"{RUA}", "none"),
        (f"p=discard; {RUA}", "none"),
        (f"p=reject; sp=discard; {RUA}", "none"),
        ("p=discard; rua=r@a.example", ""),
        ("p=discard; rua=mailto:", ""),
        ("p=discard; rua=https://a.example/r", "none"),
        ("p=none; p=reject", "none"),
    ],
)
def test_a_policy_that_cannot_be_read_is_none_or_no_policy(tags: str, p: str) -> None:
    record = parse_record(f"v=DMARC1;{tags}")
    assert record is not None and record.p == p
    assert record.p in ("reject", "quarantine") or (record.sp, record.np) == ("", "")


@pytest.mark.parametrize(
    "tag", ["adkim=x", "aspf=", "psd=yes", "t=1", "pct=101", "pct=-1", "pct=x", "ri=x", "fo=z", "rf="]
)
def test_other_values_that_make_no_sense_are_their_default(tag: str) -> None:
    assert parse_record(f"v=DMARC1; p=reject; {tag}") == parse_record("v=DMARC1; p=reject")


def test_report_addresses_have_their_limits() -> None:
    record = parse_record(
        "v=DMARC1; p=none; rua=mailto:a@b.example!10m , mailto:c%2Bd@b.example?subject=x, MAILTO:e@b.example ! 5,"
        "https://b.example/r!1T, nonsense, mailto:f@b.example!1x,mailto:g@b.example!2K"
    )
    assert record is not None
    assert record.rua == (
        ReportUri("mailto:a@b.example", Address("a", "b.example"), 10 << 20),
        ReportUri("mailto:c%2Bd@b.example?subject=x", Address("c+d", "b.example"), None),
        ReportUri("MAILTO:e@b.example", Address("e", "b.example"), 5),
        ReportUri("https://b.example/r", None, 1 << 40),
        ReportUri("mailto:g@b.example", Address("g", "b.example"), 2 << 10),
    )


def test_there_is_an_end_to_report_addresses() -> None:
    record = parse_record("v=DMARC1; p=none; rua=" + ",".join(["mailto:a@b.example"] * 50))
    assert record is not None and len(record.rua) == URIS_MAX


def test_subdomains_have_the_nearest_policy() -> None:
    def policies(tags: str) -> tuple[str, str]:
        record = parse_record(f"v=DMARC1; {tags}")
        assert record is not None
        return record.subdomain_policy(exists=True), record.subdomain_policy(exists=False)

    assert policies("p=reject") == ("reject", "reject")
    assert policies("p=reject; sp=none") == ("none", "none")
    assert policies("p=none; np=reject") == ("none", "reject")
    assert policies("p=none; sp=quarantine; np=reject") == ("quarantine", "reject")


@settings(max_examples=200)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "p",
                "sp",
                "np",
                "=",
                ";",
                " ",
                "reject",
                "none",
                "rua",
                "mailto:",
                "a@b",
                "!",
                "10",
                "m",
                ",",
                "%",
                "pct",
                "ü",
                "\t",
            ]
        )
    ).map("".join)
)
def test_no_text_makes_it_raise(text: str) -> None:
    parse_record(text)
    record = parse_record(f"v=DMARC1;{text}")
    if record is not None:
        assert record.p in (*POLICIES, "") and record.sp in (*POLICIES, "") and record.np in (*POLICIES, "")
        assert 0 <= record.pct <= 100 and len(record.rua) <= URIS_MAX
