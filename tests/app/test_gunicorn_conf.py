import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.bundle import ROOT


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    path = tmp_path / "mailstead.toml"
    path.write_text('hostname = "mx.example"\nweb_threads = 3\n')
    monkeypatch.setenv("MAILSTEAD_SETTINGS", str(path))
    monkeypatch.setenv("MAILSTEAD_SOCKETS", "web=5,web=6")
    return runpy.run_path(str(ROOT / "app/gunicorn.conf.py"))


def test_it_serves_on_the_sockets_it_was_handed(configuration: dict[str, Any]):
    assert configuration["bind"] == ["fd://5", "fd://6"]
    assert (configuration["workers"], configuration["threads"]) == (1, 3)


def test_requests_are_bounded_and_nobody_is_believed_about_addresses(configuration: dict[str, Any]):
    # Security IN-4, WE-8.
    assert configuration["limit_request_line"] <= 8190 and configuration["limit_request_fields"] <= 100
    assert configuration["max_requests"] > 0 and configuration["max_requests_jitter"] > 0
    assert configuration["forwarded_allow_ips"] == ""
    assert configuration["umask"] == 0o027
