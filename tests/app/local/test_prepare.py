import os
from pathlib import Path

from app.local import configure
from app.local.places import ACCOUNT, Places, sockets
from app.local.prepare import prepare
from mail.config.settings import Settings
from mail.runtime.stored import open_store
from mail.store import accounts, revision


def prepared(tmp_path: Path) -> tuple[Places, Settings]:
    places = Places(tmp_path)
    places.make_run()
    chosen = configure.values(places, smtp="127.0.0.1:1025", deliver_to="", plaintext_login=False)
    settings = configure.write(places, chosen, sockets(1000))
    prepare(places, settings)
    return places, settings


def test_everything_a_first_start_needs_is_there(tmp_path: Path):
    places, settings = prepared(tmp_path)
    assert (places.folder / "ca.pem").exists()
    assert settings.ticket_key.stat().st_mode & 0o777 == 0o400
    store = open_store(settings)
    try:
        revision.check(store)
        with store.read() as connection:
            account = accounts.find_account(connection, ACCOUNT)
            addresses = {one.address: one for one in accounts.list_addresses(connection)}
        assert addresses["mailstead@localhost"].kind == ""
        assert {one.account_id for one in addresses.values()} == {account.id}
    finally:
        store.close()


def test_a_second_time_changes_nothing(tmp_path: Path):
    places, settings = prepared(tmp_path)
    before = {path: path.read_bytes() for path in (places.state / "keys").rglob("*") if path.is_file()}
    prepare(places, settings)
    assert {path: path.read_bytes() for path in (places.state / "keys").rglob("*") if path.is_file()} == before


def test_a_start_that_was_interrupted_goes_on_where_it_was(tmp_path: Path):
    places, settings = prepared(tmp_path)
    os.unlink(places.state / "keys/server.key")
    os.unlink(settings.ticket_key)
    prepare(places, settings)
    assert (places.state / "keys/server.key").exists() and settings.ticket_key.exists()
