"""How many ham and spam messages of an account have each word, and how many there are (features B07).

Only `mail.store.training` and `mail.store.retrain` change the counts, in the transaction that notes what was counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, func, select

from mail.store.classes import HAM, SPAM
from mail.store.rows import among, gathered, is_one_of, many, scattered, upsert
from mail.store.schema import junk_total, junk_word


class Totals(NamedTuple):
    hams: int = 0
    spams: int = 0


_TOTALS = select(junk_total.c.hams, junk_total.c.spams).where(junk_total.c.account_id == bindparam("account_id"))


def totals(connection: Connection, account_id: int) -> Totals:
    """How many messages of each class were counted."""
    found = connection.execute(_TOTALS, {"account_id": account_id}).first()
    return Totals(*found) if found else Totals()


def word_count(connection: Connection, account_id: int) -> int:
    wanted = select(func.count()).select_from(junk_word).where(junk_word.c.account_id == account_id)
    return int(connection.execute(wanted).scalar_one())


def counts(connection: Connection, account_id: int, words: Iterable[int]) -> dict[int, tuple[int, int]]:
    """(ham, spam) of those of these words that any message has."""
    values = {"account_id": account_id, "words": many(connection, words)}
    found = connection.execute(_counts(connection.dialect.name), values).one()
    numbers, hams, spams = scattered(found)
    return dict(zip(numbers, zip(hams, spams, strict=True), strict=True))


@lru_cache
def _counts(dialect: str) -> Select[Any]:
    return select(*gathered(dialect, junk_word.c.word, junk_word.c.ham, junk_word.c.spam)).where(
        junk_word.c.account_id == bindparam("account_id"), among(dialect, junk_word.c.word, "words")
    )


class Counted:
    """What a transaction adds to the counts and takes from them."""

    def __init__(self) -> None:
        self._words: dict[int, list[int]] = {}
        self._messages = [0, 0]

    def __len__(self) -> int:
        """How many words."""
        return len(self._words)

    def move(self, words: Sequence[int], before: int, now: int) -> None:
        """The words of one message, counted as the class `before`, are to be counted as `now`."""
        change = [int(now == HAM) - int(before == HAM), int(now == SPAM) - int(before == SPAM)]
        self._messages[0] += change[0]
        self._messages[1] += change[1]
        for word in set(words):
            found = self._words.get(word)
            if found is None:
                self._words[word] = change.copy()
            else:
                found[0] += change[0]
                found[1] += change[1]

    def write(self, tx: Connection, account_id: int) -> None:
        """Nothing falls below 0; a word that no message has any more goes."""
        changed = {word: self._words[word] for word in sorted(self._words) if any(self._words[word])}
        if any(self._messages):
            _change_totals(tx, account_id, *self._messages)
        if changed:
            _change_words(tx, account_id, changed)


def _change_totals(tx: Connection, account_id: int, hams: int, spams: int) -> None:
    found = totals(tx, account_id)
    insert = upsert(tx.dialect.name, junk_total)
    values = {"hams": max(0, found.hams + hams), "spams": max(0, found.spams + spams)}
    tx.execute(
        insert.values(account_id=account_id, **values).on_conflict_do_update(
            index_elements=junk_total.primary_key, set_=values
        )
    )


def _change_words(tx: Connection, account_id: int, changed: Mapping[int, list[int]]) -> None:
    known = counts(tx, account_id, list(changed))
    rows: list[dict[str, int]] = []
    gone: list[int] = []
    for word, (ham, spam) in changed.items():
        ham_before, spam_before = known.get(word, (0, 0))
        ham, spam = max(0, ham_before + ham), max(0, spam_before + spam)
        if ham or spam:
            rows.append({"account_id": account_id, "word": word, "ham": ham, "spam": spam})
        elif word in known:
            gone.append(word)
    if rows:
        insert = upsert(tx.dialect.name, junk_word)
        values = {"ham": insert.excluded.ham, "spam": insert.excluded.spam}
        tx.execute(insert.on_conflict_do_update(index_elements=junk_word.primary_key, set_=values), rows)
    if gone:
        wanted = delete(junk_word).where(junk_word.c.account_id == account_id, is_one_of(tx, junk_word.c.word, "words"))
        tx.execute(wanted, {"words": many(tx, gone)})
