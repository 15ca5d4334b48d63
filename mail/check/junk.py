"""What the junk filter of an account thinks of a message, and which of its words make it think so.

The words are computed from the message as they were when it arrived, so an explanation holds as long as the counts it
rests on; nothing is learnt from asking. Arriving mail is judged by `mail.receive.judge`, with some noise added to the
threshold, which is left out here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from mail.junk.classify import Counts, Parameters, Weight, classify
from mail.junk.words import hashes, words
from mail.message.line_ends import with_crlf
from mail.message.scan import scan
from mail.store import junk_words

# Told of each kind, the strongest first.
WORDS_TOLD = 40


def explain(connection: Connection, account_id: int, octets: bytes, threshold: float) -> dict[str, Any]:
    """Values for JSON. `share`: how much a word speaks for junk, 0 to 1; `ham` and `spam`: in how many messages the
    account has it. Not significant: too little was learnt, and the probability decides nothing. Never raises because
    of the octets.
    """
    octets = with_crlf(octets)
    found = words(octets, scan(octets))
    named = dict(zip(hashes(found), found, strict=True))
    totals = junk_words.totals(connection, account_id)
    known = junk_words.counts(connection, account_id, list(named))
    judgement = classify(list(named), known, Counts(*totals), Parameters(threshold=threshold))
    return {
        "probability": round(judgement.probability, 6),
        "threshold": threshold,
        "significant": judgement.significant,
        "junk": judgement.is_junk(threshold),
        "hams": totals.hams,
        "spams": totals.spams,
        "words": len(named),
        "known": len(known),
        "spam_words": _told(judgement.spam_words, named, known),
        "ham_words": _told(judgement.ham_words, named, known),
    }


def _told(
    weights: Sequence[Weight], named: Mapping[int, str], known: Mapping[int, tuple[int, int]]
) -> list[dict[str, Any]]:
    return [
        {
            "word": named[one.word],
            "share": round(one.share, 3),
            "ham": known[one.word][0],
            "spam": known[one.word][1],
        }
        for one in weights[:WORDS_TOLD]
    ]
