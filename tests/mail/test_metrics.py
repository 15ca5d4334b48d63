import socket
import threading
from pathlib import Path

import pytest

from mail.errors import Bug
from mail.metrics import Metrics, MetricsServer, merged, read_all


def lines(metrics: Metrics) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if not line.startswith(("# ", "process_"))]


def test_a_counter_counts():
    metrics = Metrics()
    counter = metrics.counter("mailstead_things_total", "Things.")
    counter.inc()
    counter.inc(2)
    assert lines(metrics) == ["mailstead_things_total 3"]
    assert b"# HELP mailstead_things_total Things.\n# TYPE mailstead_things_total counter\n" in metrics.text()


def test_labels_make_children():
    metrics = Metrics()
    counter = metrics.counter("logins_total", "Logins.", ("service", "result"))
    counter.labels("imap", "ok").inc()
    counter.labels(result="ok", service="imap").inc()
    counter.labels("smtp", 'a"b\\c\nd').inc()
    assert lines(metrics) == [
        'logins_total{service="imap",result="ok"} 2',
        'logins_total{service="smtp",result="a\\"b\\\\c\\nd"} 1',
    ]


def test_the_wrong_number_of_labels_is_a_bug():
    with pytest.raises(Bug):
        Metrics().counter("x_total", "X.", ("a", "b")).labels("one")


def test_a_gauge_goes_up_and_down_or_asks():
    metrics = Metrics()
    gauge = metrics.gauge("open", "Open.")
    gauge.inc()
    gauge.inc()
    gauge.dec()
    metrics.gauge("asked", "Asked.").set_function(lambda: 2.5)
    metrics.gauge("told", "Told.").set(7)
    assert lines(metrics) == ["open 1", "asked 2.5", "told 7"]


def test_a_histogram_counts_what_is_at_most_each_bound():
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Seconds.", buckets=(0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3):
        histogram.observe(value)
    assert lines(metrics) == [
        'seconds_bucket{le="0.1"} 2',
        'seconds_bucket{le="1.0"} 3',
        'seconds_bucket{le="+Inf"} 4',
        "seconds_count 4",
        "seconds_sum 3.65",
    ]


def test_the_same_name_is_the_same_metric():
    metrics = Metrics()
    assert metrics.counter("x_total", "X.") is metrics.counter("x_total", "X.")


def test_no_count_is_lost_between_threads():
    counter = Metrics().counter("x_total", "X.")
    threads = [threading.Thread(target=lambda: [counter.inc() for _ in range(2000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(counter.lines())[-1] == "x_total 16000"


def test_each_process_says_what_it_uses():
    text = Metrics().text().decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert float(line.split()[1]) > 0


def test_processes_are_merged_with_program_and_pid(tmp_path: Path):
    one, two = Metrics(), Metrics()
    one.counter("x_total", "X.", ("a",)).labels("1").inc()
    two.counter("x_total", "X.", ("a",)).labels("1").inc(5)
    two.gauge("y", "Y.").set(1)
    servers = [MetricsServer(one, tmp_path, "mx"), MetricsServer(two, tmp_path, "imap")]
    try:
        texts = read_all(tmp_path)
    finally:
        for server in servers:
            server.close()
    pids = {name.partition(".")[0]: name.partition(".")[2] for name in texts}
    shown = merged(texts).decode().splitlines()
    assert f'x_total{{program="mx",pid="{pids["mx"]}",a="1"}} 1' in shown
    assert f'x_total{{program="imap",pid="{pids["imap"]}",a="1"}} 5' in shown
    assert f'y{{program="imap",pid="{pids["imap"]}"}} 1' in shown
    assert shown.count("# TYPE x_total counter") == 1
    heads = [number for number, line in enumerate(shown) if line.startswith("x_total")]
    assert heads[-1] - heads[0] == len(heads) - 1, "samples of a family stand together"


def test_the_socket_of_a_dead_process_is_removed(tmp_path: Path):
    server = MetricsServer(Metrics(), tmp_path, "mx")
    dead = tmp_path / "imap.1.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(dead))
    try:
        assert [name.partition(".")[0] for name in read_all(tmp_path)] == ["mx"]
    finally:
        server.close()
    assert list(tmp_path.iterdir()) == []
