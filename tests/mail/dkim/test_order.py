from typing import Any

import orjson
import pytest

from mail.dkim.order import HEADER_MAX, NAMES_MAX, Order, as_json, read_order
from mail.dkim.sign import prepare
from mail.errors import Invalid
from mail.message.fields import parse_header
from tests.dkim_signer import MESSAGE

ORDER = Order("a.example", ("one", "two"), "möser", prepare(MESSAGE + b"\xff", parse_header(MESSAGE)))


def test_an_order_comes_over_the_wire_as_it_was():
    assert read_order(orjson.loads(orjson.dumps(as_json(ORDER)))) == ORDER


def test_an_order_has_no_word_of_the_body():
    assert b"Dear" not in orjson.dumps(as_json(ORDER))


@pytest.mark.parametrize(
    "wrong",
    [
        {"domain": None, "names": None},
        {"selectors": []},
        {"selectors": 1},
        {"selectors": ["x"] * 9},
        {"names": "to:subject"},
        {"names": "from:to; d=other.example"},
        {"names": "from:\r\n"},
        {"names": "from:"},
        {"names": ":".join(["from"] * (NAMES_MAX + 1))},
        {"names": "from:é\u20ac"},
        {"header": "x" * (HEADER_MAX + 1)},
        {"body_hash": "00"},
        {"body_hash": "zz" * 32},
        {"identity": "x" * 257},
    ],
)
def test_what_no_caller_of_ours_asks_is_refused(wrong: dict[str, Any]):
    with pytest.raises(Invalid):
        read_order(as_json(ORDER) | wrong)


def test_an_order_that_lacks_something_is_refused():
    for name in as_json(ORDER):
        with pytest.raises(Invalid):
            read_order({key: value for key, value in as_json(ORDER).items() if key != name})
