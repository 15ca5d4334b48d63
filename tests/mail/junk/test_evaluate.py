"""Reading corpora, and the accuracy that is promised, on the corpus when it is there."""

import tarfile
from pathlib import Path

import pytest

from mail.errors import Invalid
from mail.junk.evaluate import Numbers, in_folds, learn, messages, numbers, rates, split_mbox
from tests.vectors import vectors

FROM_LINE = b"From a@b.example  Thu Aug 22 12:36:23 2002\n"


def test_a_folder_holds_one_message_a_file(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "1").write_bytes(FROM_LINE + b"Subject: one\n\nFrom here\n")
    (tmp_path / "sub" / "2").write_bytes(b"Subject: two\r\n\r\nx\r\n")
    (tmp_path / "cmds").write_bytes(b"mv 1 00001.abc\n")
    (tmp_path / ".hidden").write_bytes(b"Subject: no\n\n")
    assert list(messages(tmp_path)) == [b"Subject: one\r\n\r\nFrom here\r\n", b"Subject: two\r\n\r\nx\r\n"]


def test_an_mbox_is_cut_at_its_from_lines(tmp_path: Path):
    box = FROM_LINE + b"Subject: one\n\nFrom what I know.\n>From there\n\n" + FROM_LINE + b"Subject: two\n\nx\n"
    (tmp_path / "box").write_bytes(box)
    assert list(messages(tmp_path / "box")) == [
        b"Subject: one\r\n\r\nFrom what I know.\r\nFrom there\r\n\r\n",
        b"Subject: two\r\n\r\nx\r\n",
    ]


def test_a_file_without_from_line_is_one_message():
    assert list(split_mbox(b"Subject: one\n\nx\n\nFrom here 12:00 in 2002\ny\n")) == [
        b"Subject: one\r\n\r\nx\r\n\r\nFrom here 12:00 in 2002\r\ny\r\n"
    ]
    assert list(split_mbox(b"")) == []


def test_a_path_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Invalid) as raised:
        list(messages(tmp_path / "none"))
    assert "none" in raised.value.public


def test_rates_count_what_lies_above_the_threshold():
    ham, spam = [[1, 2, 3, 4, 5]] * 60, [[6, 7, 8, 9, 10]] * 60
    found = rates(learn(ham, spam), [[1, 2, 3], [6, 7, 8, 9, 10], [1]], [[6, 7, 8, 9], [99]])
    assert (found.trained_ham, found.trained_spam, found.judged_ham, found.judged_spam) == (60, 60, 3, 2)
    assert (found.ham_wrong_rate, found.spam_found_rate) == (pytest.approx(1 / 3), 0.5)
    assert rates(learn([], []), [], []).spam_found_rate == 0.0


def test_each_fold_is_judged_by_the_others():
    found = in_folds([[1, 2, 3]] * 10, [[4, 5, 6]] * 10, 5)
    assert [(one.trained_ham, one.judged_spam, one.ham_wrong, one.spam_found) for one in found] == [(8, 2, 0, 2)] * 5


def test_five_folds_of_the_corpus_keep_the_promise():
    found: dict[str, list[Numbers]] = {"easy-ham-1": [], "spam-1": []}
    with tarfile.open(vectors("spam-train") / "easy-ham-1+spam-1.tar.xz") as archive:
        for member in archive:
            opened = archive.extractfile(member)
            if opened is not None:
                found[member.name.partition("/")[0]] += [numbers(one) for one in split_mbox(opened.read())]
    ham, spam = found["easy-ham-1"], found["spam-1"]
    assert (len(ham), len(spam)) == (2500, 500)
    folds = in_folds(ham, spam)
    # The promise is 0.2 % and 95 %; what is measured is 0.04 % and 96 to 98 %, as the folds fall.
    assert sum(one.ham_wrong for one in folds) / len(ham) <= 0.001
    assert sum(one.spam_found for one in folds) / len(spam) >= 0.955
