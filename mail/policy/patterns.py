"""Regular expressions that people write: for rulesets and for the names of mailboxes.

RE2 needs time linear in the text whatever the expression is (security EX-5), and no more than the memory given here.
Expression and text are compared without regard to case and to the form an accent is written in; an expression may
match anywhere in the text.
"""

import unicodedata
from functools import lru_cache
from typing import Any

import re2

from mail.errors import Invalid

PATTERN_MAX = 500
# What one expression may cost: the steps for each octet of text in the worst case, and its memory.
PROGRAM_MAX = 1000
MEMORY_MAX = 256 << 10
TEXT_MAX = 4096


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The expression, ready to search; raises `Invalid`."""
    if len(pattern) > PATTERN_MAX:
        raise Invalid(public=f"regular expression is longer than {PATTERN_MAX} characters")
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MEMORY_MAX
    try:
        expression = re2.compile(unicodedata.normalize("NFC", pattern), options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if isinstance(error, re2.error) else b"not Unicode"
        raise Invalid(public=f"bad regular expression {pattern!r}: {said.decode('utf-8', 'replace')}") from error
    if expression.programsize > PROGRAM_MAX:
        raise Invalid(public=f"regular expression is too expensive: {pattern!r}")
    return expression


def matches(pattern: str, text: str) -> bool:
    """Does the expression match anywhere in the beginning of the text. One that is not valid matches nothing."""
    try:
        expression = compiled(pattern)
    except Invalid:
        return False
    # Case can undo the normal form, so it is made last.
    folded = unicodedata.normalize("NFC", text[:TEXT_MAX].lower())
    return expression.search(folded.encode("utf-8", "replace")) is not None
