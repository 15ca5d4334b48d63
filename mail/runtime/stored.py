"""The world of a program that reads or writes the database and the blobs."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from mail.bus import Bus
from mail.config import settings as config
from mail.config.settings import Settings
from mail.runtime.world import World, build_world, serving_metrics, settings_path
from mail.store import revision
from mail.store.blobs import BlobStore
from mail.store.engine import Store


@dataclass(kw_only=True)
class StoredWorld(World):
    store: Store
    blobs: BlobStore
    bus: Bus


def open_store(settings: Settings, *, read_only: bool = False, checkpointer: bool = False, size: int = 4) -> Store:
    return Store.open(
        settings.database, lock=settings.database_lock, read_only=read_only, checkpointer=checkpointer, size=size
    )


@contextlib.contextmanager
def open_stored(
    program: str, *, read_only: bool = False, checkpointer: bool = False, size: int = 4
) -> Iterator[StoredWorld]:
    """The world of the settings file with its store open and checked. WrongVersion when the schema is not ours."""
    settings = config.load_file(settings_path())
    light = build_world(program, settings)
    store = open_store(settings, read_only=read_only, checkpointer=checkpointer, size=size)
    bus = Bus(settings.redis, light.log)
    try:
        revision.check(store)
        world = StoredWorld(**vars(light), store=store, blobs=BlobStore(settings.blobs_dir), bus=bus)
        with serving_metrics(world):
            yield world
    finally:
        bus.close()
        store.close()
