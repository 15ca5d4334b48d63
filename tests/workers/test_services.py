from pathlib import Path
from types import SimpleNamespace

import pytest

from mail.config.settings import Settings
from mail.deliver.plan import Login
from workers.services import routes_of


def routes(**settings):
    return routes_of(SimpleNamespace(settings=Settings(hostname="us.test", **settings)))


def test_without_settings_mail_goes_to_the_mail_exchangers():
    found = routes()
    assert (found.loopback, found.smarthost, found.smarthost_login, found.private_destinations) == (
        None,
        None,
        None,
        False,
    )


def test_a_smarthost_has_its_login_from_a_file(tmp_path: Path):
    (tmp_path / "password").write_text("secret\n")
    found = routes(
        smarthost="relay.test:465", smarthost_username="me", smarthost_password_file=str(tmp_path / "password")
    )
    assert found.smarthost == ("relay.test", 465) and found.smarthost_login == Login("me", "secret")


def test_a_password_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(OSError, match="nowhere"):
        routes(smarthost="relay.test:465", smarthost_username="me", smarthost_password_file=str(tmp_path / "nowhere"))


def test_a_local_bundle_goes_back_to_itself():
    assert routes(loopback="[::1]:1025").loopback == ("::1", 1025)
