from mail.dns.memory import OVERHEAD, Failure, Memory, Missing
from mail.dns.resolver import Answer
from mail.now import SetClock

ANSWER = Answer(("192.0.2.1",), False, "a.test")


def test_each_outcome_has_its_longest_time(clock: SetClock):
    for outcome, seconds in ((ANSWER, 3600), (Missing(exists=True), 300), (Failure("SERVFAIL"), 10)):
        memory = Memory(clock)
        memory.put(("a.test", "A"), outcome, 1e9)
        clock.move(seconds - 1)
        assert memory.get(("a.test", "A")) == outcome
        clock.move(1)
        assert memory.get(("a.test", "A")) is None and len(memory) == 0


def test_a_shorter_time_to_live_is_kept(clock: SetClock):
    memory = Memory(clock)
    memory.put(("a.test", "A"), ANSWER, 5)
    memory.put(("b.test", "A"), Missing(exists=False), 5)
    clock.move(5)
    assert memory.get(("a.test", "A")) is None and memory.get(("b.test", "A")) is None


def test_what_was_not_asked_for_longest_goes_first(clock: SetClock):
    memory = Memory(clock, octets_max=3 * (OVERHEAD + 100))
    for name in "abc":
        memory.put((name, "A"), ANSWER, 60)
    memory.get(("a", "A"))
    memory.put(("d", "A"), ANSWER, 60)
    assert [name for name in "abcd" if memory.get((name, "A"))] == ["a", "c", "d"]


def test_long_answers_take_the_place_of_many(clock: SetClock):
    memory = Memory(clock, octets_max=100_000)
    for number in range(50):
        memory.put((f"n{number}", "TXT"), Answer(("x" * 40_000,), False, "a.test"), 60)
    assert len(memory) == 2
    memory.put(("huge", "TXT"), Answer(("x" * 200_000,), False, "a.test"), 60)
    assert len(memory) == 0


def test_an_answer_in_place_of_another_counts_once(clock: SetClock):
    memory = Memory(clock, octets_max=100_000)
    for _ in range(50):
        memory.put(("a", "TXT"), Answer(("x" * 40_000,), False, "a.test"), 60)
    memory.put(("b", "TXT"), Answer(("x" * 40_000,), False, "a.test"), 60)
    assert len(memory) == 2
