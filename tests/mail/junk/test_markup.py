"""HTML as the filter reads it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.markup import read_markup


def shown(source: str) -> list[str]:
    return read_markup(source).text.split()


def test_elements_inside_a_line_do_not_part_a_word():
    assert shown("via<b></b>gra<br>now<p>che<!-- x -->ap") == ["viagra", "now", "cheap"]


def test_scripts_styles_drawings_and_comments_are_skipped():
    source = "a<script>var b = '<p>c';</SCRIPT>d<style>e{}</style ><svg><text>f</text></svg>g<!-- <p>h -->i<svg/>j"
    assert "".join(shown(source)) == "adgij"


def test_the_alt_text_of_an_image_is_shown():
    assert shown("<img src=x alt='Big sale'><img alt=\"Today\">") == ["Big", "sale", "Today"]


def test_references_are_resolved():
    assert shown("R&eacute;duction &#38; &#x41;") == ["Réduction", "&", "A"]


def test_a_reference_of_thousands_of_digits_is_left_alone():
    assert "999" in read_markup("&#" + "9" * 5000 + ";").text


def test_links_are_found_in_attributes():
    source = (
        "<a href=\"http://a.example/x\">A</a><img src=http://b.example/i.gif><body background = 'http://c.example'>"
    )
    assert read_markup(source).links == ["http://a.example/x", "http://b.example/i.gif", "http://c.example"]


def test_what_never_ends_hides_the_rest():
    assert shown("a <!-- b") == ["a"] and shown("a <script> b") == ["a"]


def test_letters_that_change_length_in_lower_case_do_not_shift_the_end():
    assert shown("İİİ<SCRIPT>x</SCRIPT>seen") == ["İİİ", "seen"]


def test_an_angle_that_opens_nothing_is_text():
    assert shown("1 < 2 and 3 <") == ["1", "<", "2", "and", "3", "<"]


HOSTILE = (
    "<",
    "<!--",
    "<a",
    "<script>",
    "<svg ",
    '<img alt="',
    "<a href=h",
    "&",
    "<" + "a" * 1000,
    "İ<style>x</style>",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_markup_costs_no_more_than_its_length(piece: str):
    source = piece * ((128 << 10) // len(piece))
    before = time.process_time()
    read_markup(source)
    assert time.process_time() - before < 0.5


@given(st.text(alphabet="<>/!-abscriptyle =\"'&#;x1 ", max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_markup_is_read(source: str):
    assert len(read_markup(source).text) <= 3 * len(source) + 1
