import orjson

from mail.now import SetClock
from workers.health import WRITE_SECONDS, Health


def test_the_file_says_when_the_process_was_alive(tmp_path):
    clock = SetClock()
    health = Health(tmp_path, "clock", clock)
    health.alive(redis=True)
    path = tmp_path / "health/clock.json"
    assert orjson.loads(path.read_bytes()) == {"at": clock.wall_ms(), "redis": True}


def test_it_is_written_now_and_then_or_when_something_changed(tmp_path):
    clock = SetClock()
    health = Health(tmp_path, "clock", clock)
    health.alive(redis=True)
    path = tmp_path / "health/clock.json"
    path.unlink()
    health.alive(redis=True)
    assert not path.exists()
    health.alive(redis=False)
    assert orjson.loads(path.read_bytes())["redis"] is False
    path.unlink()
    clock.move(WRITE_SECONDS)
    health.alive(redis=False)
    assert path.exists()
