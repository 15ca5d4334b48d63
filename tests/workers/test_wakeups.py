import threading

from workers.wakeups import Wakeups


def asked_in_a_thread(
    wakeups: Wakeups, stop: threading.Event, seconds: float = 5.0
) -> "tuple[threading.Thread, list[bool]]":
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(wakeups.ask(seconds, stop)))
    thread.start()
    return thread, answers


def test_asking_waits_for_a_look_that_began_afterwards():
    wakeups, stop = Wakeups(), threading.Event()
    before = wakeups.asked
    thread, answers = asked_in_a_thread(wakeups, stop)
    while wakeups.asked == before:
        pass
    # This look began before: it does not count.
    wakeups.answered(before)
    assert thread.is_alive()
    wakeups.answered(wakeups.asked)
    thread.join(5)
    assert answers == [True]


def test_one_look_answers_all_who_asked_before_it():
    wakeups, stop = Wakeups(), threading.Event()
    asking = [asked_in_a_thread(wakeups, stop) for _ in range(3)]
    while wakeups.asked < 3:
        pass
    wakeups.answered(wakeups.asked)
    for thread, answers in asking:
        thread.join(5)
        assert answers == [True]


def test_asking_ends_with_its_time_and_with_the_stop():
    wakeups, stop = Wakeups(), threading.Event()
    assert not wakeups.ask(0.01, stop)
    thread, answers = asked_in_a_thread(wakeups, stop, 60.0)
    stop.set()
    thread.join(5)
    assert answers == [False]


def test_who_runs_a_loop_is_poked():
    wakeups, stop = Wakeups(), threading.Event()
    poked: list[int] = []
    wakeups.poked_by(lambda: poked.append(1))
    wakeups.ask(0.0, stop)
    wakeups.poked_by(None)
    wakeups.ask(0.0, stop)
    assert poked == [1]


def test_waiting_ends_when_somebody_asks():
    wakeups, stop = Wakeups(), threading.Event()
    thread, _ = asked_in_a_thread(wakeups, stop, 0.05)
    wakeups.wait(60.0, stop)
    assert wakeups.asked == 1
    thread.join(5)


def test_waiting_ends_with_its_time():
    Wakeups().wait(0.01, threading.Event())
