"""Words seen before."""

import pytest

from mail.junk.bloom import OCTETS, Bloom
from mail.junk.words import hashes


def test_a_word_is_new_once():
    bloom = Bloom()
    first, again = hashes(["cheap", "watches"]), hashes(["watches", "cheap", "today"])
    assert bloom.seen_before(first) == []
    assert bloom.seen_before(again) == again[:2]
    assert bloom.seen_before(again) == again


def test_it_is_kept_as_four_megabytes_or_as_nothing():
    bloom = Bloom()
    assert bloom.octets() == b""
    bloom.add(-1)
    assert len(bloom.octets()) == OCTETS == 4 << 20
    assert Bloom(bloom.octets()).add(-1) and not Bloom(bloom.octets()).add(1)
    with pytest.raises(ValueError):
        Bloom(b"short")


def test_twenty_thousand_words_are_not_mistaken_for_others():
    bloom = Bloom()
    assert bloom.seen_before(range(20_000)) == []
    assert bloom.seen_before(range(20_000, 25_000)) == []
