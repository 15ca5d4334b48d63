from dataclasses import replace

import pytest

from mail.errors import Invalid
from mail.policy.automatic_flags import JUNK, NEUTRAL, NOTJUNK, AutomaticFlags, check, class_for

DEFAULT = AutomaticFlags()


def test_by_default_the_inbox_is_neutral_junk_is_junk_and_all_else_is_good() -> None:
    for name in ("Inbox", "INBOX/sub", "Introbox", "Postmaster", "DMARC", "TLSRPT", "Rejects", "Neutral"):
        assert class_for(name, (), DEFAULT) == NEUTRAL
    for name in ("Junk", "junk/2026", "Spam", "SPAMMY"):
        assert class_for(name, (), DEFAULT) == JUNK
    for name in ("Archive", "Trash", "My junk", "Familie/Ömer"):
        assert class_for(name, (), DEFAULT) == NOTJUNK


def test_the_special_use_says_junk_whatever_the_name_and_the_setting() -> None:
    assert class_for("Unerwünscht", ("\\Junk",), DEFAULT) == JUNK
    assert class_for("Unerwünscht", ("\\Junk",), replace(DEFAULT, enabled=False)) == JUNK
    assert class_for("Junk", ("\\Archive",), replace(DEFAULT, enabled=False)) is None


def test_with_two_of_three_set_the_third_class_takes_the_rest() -> None:
    assert class_for("other", (), AutomaticFlags(junk="", neutral="^inbox", notjunk="^archive")) == JUNK
    assert class_for("other", (), AutomaticFlags(junk="^junk", neutral="", notjunk="^archive")) == NEUTRAL
    assert class_for("other", (), AutomaticFlags(junk="^junk", neutral="^inbox", notjunk="")) == NOTJUNK


def test_with_all_or_one_or_none_set_the_rest_is_left_as_it_was() -> None:
    assert class_for("other", (), AutomaticFlags(junk="^junk", neutral="^inbox", notjunk="^archive")) is None
    assert class_for("other", (), AutomaticFlags(junk="^junk", neutral="", notjunk="")) is None
    assert class_for("other", (), AutomaticFlags(junk="", neutral="", notjunk="")) is None


def test_junk_is_asked_before_neutral_and_neutral_before_not_junk() -> None:
    everything = AutomaticFlags(junk="^a", neutral="^(a|b)", notjunk=".")
    assert [class_for(name, (), everything) for name in ("a", "b", "c")] == [JUNK, NEUTRAL, NOTJUNK]


def test_a_move_into_junk_and_out_again_is_junk_and_then_good() -> None:
    path = ("Inbox", "Junk", "Archive")
    assert [class_for(name, (), DEFAULT) for name in path] == [NEUTRAL, JUNK, NOTJUNK]


def test_an_expression_that_cannot_be_used_is_refused_in_the_settings() -> None:
    check(DEFAULT)
    with pytest.raises(Invalid):
        check(replace(DEFAULT, notjunk="("))
