from app.local.stopping import waves


def test_who_asks_stops_before_who_answers():
    first, second, third = waves()
    assert set(first) == {"mx", "submission", "imap", "web", "deliver", "chores", "clock"}
    assert set(second) == {"keeper", "auth", "sign"}
    assert third == ["redis"]
