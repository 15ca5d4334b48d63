"""What counts as a word."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.vocabulary import LENGTH_MAX, is_word, pieces, words_of


def test_pieces_are_letters_and_digits_with_apostrophes_between_letters():
    assert pieces("Don't 'quote' it: e-mail_me, 50% off!") == ["Don't", "quote", "it", "e", "mail", "me", "50", "off"]


def test_a_word_has_three_characters_and_a_letter():
    assert [word for word in ("to", "the", "123", "mp3", "x" * 41) if is_word(word)] == ["the", "mp3"]


def test_random_words_and_numbers_are_no_words():
    for word in ("xkcdqwrtz", "abcdfgha", "12345abc", "2002", "abc123", "dead999beef", "q7w8r9t2"):
        assert not is_word(word), word


def test_words_with_few_digits_or_of_other_scripts_are_words():
    for word in ("web2", "windows98", "überraschung", "деньги", "strength"):
        assert is_word(word), word


def test_words_are_lower_case_and_come_once_in_order():
    assert words_of(["Viagra", "cheap", "VIAGRA", "is"]) == ["viagra", "cheap"]


def test_scripts_without_spaces_are_cut_into_pairs():
    assert words_of(["免費贈送"]) == ["免費", "費贈", "贈送"]


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_bounded_words(text: str):
    assert all(2 <= len(word) <= LENGTH_MAX for word in words_of(pieces(text)))
