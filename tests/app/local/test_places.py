import tempfile
from pathlib import Path

from app.local.places import PORTS, Places, has_ipv6, sockets


def test_ports_are_the_standard_ones_and_the_offset():
    bound = sockets(1000)
    assert {name: addresses[0] for name, addresses in bound.items()} == {
        "smtp": "127.0.0.1:1025",
        "submission": "127.0.0.1:1587",
        "submissions": "127.0.0.1:1465",
        "imap": "127.0.0.1:1143",
        "imaps": "127.0.0.1:1993",
        "web": "127.0.0.1:1080",
    }
    assert all(len(addresses) == 1 + has_ipv6() for addresses in bound.values())
    assert bound.keys() == PORTS.keys()


def test_everything_is_below_the_folder():
    # A short path, which the temporary folders of a test need not have.
    folder = Path("/srv/mailstead")
    places = Places(folder)
    for path in (places.run, places.state, places.log, places.settings, places.ready, places.supervisor_pid):
        assert path.is_relative_to(folder)


def test_a_folder_whose_path_is_too_long_for_sockets_has_its_run_folder_elsewhere(tmp_path: Path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    places = Places(folder)
    try:
        places.make_run()
        assert len(str(places.run)) < 80 and not places.run.is_relative_to(folder)
        assert (folder / "run").resolve() == places.run
        assert (places.run / "metrics").stat().st_mode & 0o777 == 0o700
        places.make_run()
    finally:
        places.remove_run()
    assert not places.run.exists() and not (folder / "run").is_symlink()
    places.remove_run()


def test_a_run_folder_in_its_place_stays():
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        places = Places(Path(folder))
        places.make_run()
        places.remove_run()
        assert (Path(folder) / "run/metrics").is_dir()
