"""Every RFC that is cited is in docs/rfc.tsv, and every RFC it claims is cited where it is done."""

import re

from tests.house.tree import ROOT, modules

CITED = re.compile(r"RFCs? (\d{3,5})")


def rows() -> list[list[str]]:
    return [row.split("\t") for row in (ROOT / "docs/rfc.tsv").read_text().splitlines()]


def cited() -> set[str]:
    return {number for path in modules() for number in CITED.findall((ROOT / path).read_text())}


def test_every_row_has_a_number_a_support_and_a_title():
    for row in rows():
        assert len(row) == 3, row
        assert row[0].isdecimal() and row[1] in ("yes", "part", "no") and row[2].strip(), row


def test_rows_are_sorted_and_unique():
    numbers = [int(row[0]) for row in rows()]
    assert numbers == sorted(set(numbers))


def test_no_citation_outside_the_index():
    assert cited() - {row[0] for row in rows()} == set()


def test_every_rfc_we_claim_is_cited_where_it_is_done():
    assert {row[0] for row in rows() if row[1] == "yes"} - cited() == set()
