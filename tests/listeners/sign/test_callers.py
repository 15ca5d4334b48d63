import os

import pytest
import yaml

from listeners.rpc import Request
from listeners.sign.callers import MAY, Callers
from mail.errors import NotAllowed
from tests.house.tree import ROOT

UIDS = {"mailstead-sub": 101, "mailstead-chores": 102, "mailstead-mx": 103, "mailstead-out": 104}


def may(callers: Callers, verb: str, uid: int) -> bool:
    try:
        callers.check(Request(verb, {}, [], uid, 1))
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("verb", "user", "allowed"),
    [
        ("sign", "mailstead-sub", True),
        ("sign", "mailstead-out", True),
        ("sign", "mailstead-mx", False),
        ("sign", "mailstead-chores", False),
        ("make", "mailstead-sub", False),
        ("make", "mailstead-chores", False),
        ("remove", "mailstead-sub", False),
        ("remove", "mailstead-chores", True),
        ("list", "mailstead-chores", True),
    ],
)
def test_each_user_may_do_what_its_row_says(verb: str, user: str, allowed: bool):
    assert may(Callers(UIDS), verb, UIDS[user]) is allowed


def test_root_and_the_process_itself_may_do_everything():
    callers = Callers(UIDS)
    assert all(may(callers, verb, uid) for verb in ("sign", "make", "remove", "list") for uid in (0, os.getuid()))


def test_a_host_without_these_users_lets_nobody_else_in():
    assert Callers({}).all == {0, os.getuid()}
    assert Callers(UIDS).all == {0, os.getuid(), 101, 102, 104}


def test_the_users_are_those_of_the_process_table():
    rows = yaml.safe_load((ROOT / "roles/supervisor/defaults/main.yml").read_text())["supervisor_programs"]
    assert {user for users in MAY.values() for user in users} <= {row["user"] for row in rows}
