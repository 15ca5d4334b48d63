"""What counts as a word."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.vocabulary import LENGTH_MAX, RUN, pieces, runs, words_of


def test_pieces_are_letters_and_digits_with_apostrophes_between_letters():
    assert pieces("Don't 'quote' it: e-mail_me, 50% off!") == ["Don't", "quote", "it", "e", "mail", "me", "50", "off"]


def test_a_word_has_three_characters_and_a_letter():
    assert words_of(["to", "the", "123", "mp3", "x" * 41, "ab" * 20]) == ["the", "mp3", "ab" * 20]


def test_random_words_and_numbers_are_no_words():
    for word in ("xkcdqwrtz", "abcdfgha", "12345abc", "2002", "abc123", "dead999beef", "q7w8r9t2"):
        assert not words_of([word]), word


def test_words_with_few_digits_or_of_other_scripts_are_words():
    for word in ("web2", "windows98", "überraschung", "деньги", "strength"):
        assert words_of([word]) == [word]


def test_words_are_lower_case_and_come_once_in_order():
    assert words_of(["Viagra", "cheap", "VIAGRA", "is"]) == ["viagra", "cheap"]


def test_scripts_without_spaces_are_cut_into_pairs():
    assert words_of(["免費贈送"]) == ["免費", "費贈", "贈送"]


def test_a_long_text_is_cut_between_words_and_whole_when_it_has_none():
    text = "word " * RUN
    assert "".join(runs(text)) == text and all(run.endswith("word ") for run in runs(text))
    assert [len(run) for run in runs("x" * 5 * RUN)] == [5 * RUN] and not list(runs(""))


@given(st.text(alphabet="aB9'-_ \u00e9", max_size=60))
@settings(max_examples=300, deadline=None)
def test_plain_text_is_cut_like_any_other(text: str):
    # The letter before it sends it the other way.
    assert ["\u00e9", *pieces(text)] == pieces("\u00e9 " + text)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_bounded_words(text: str):
    assert all(2 <= len(word) <= LENGTH_MAX for word in words_of(pieces(text)))
