"""The world of a program that holds no database: settings, log, clock, metrics, and whom it may ask."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mail import log as logs
from mail import rpc
from mail.accounts.snapshot import Routing
from mail.config import settings as config
from mail.config.settings import Settings
from mail.log import Log
from mail.metrics import Metrics, MetricsServer
from mail.now import Clock, SystemClock

DEFAULT_FILE = "/etc/mailstead/mailstead.toml"


def settings_path() -> Path:
    return Path(os.environ.get("MAILSTEAD_SETTINGS", DEFAULT_FILE))


@dataclass(kw_only=True)
class World:
    program: str
    settings: Settings
    log: Log
    clock: Clock
    metrics: Metrics
    keeper: rpc.Client
    auth: rpc.Client
    sign: rpc.Client
    routing: Routing


def build_world(program: str, settings: Settings) -> World:
    clock = SystemClock()
    return World(
        program=program,
        settings=settings,
        log=logs.for_program(program, settings.log_level),
        clock=clock,
        metrics=Metrics(),
        keeper=rpc.Client(settings.keeper_socket),
        auth=rpc.Client(settings.auth_socket),
        sign=rpc.Client(settings.sign_socket),
        routing=Routing(settings.routing_file, clock=clock),
    )


@contextlib.contextmanager
def serving_metrics(world: World) -> Iterator[None]:
    server = MetricsServer(world.metrics, world.settings.metrics_dir, world.program)
    try:
        yield
    finally:
        server.close()


@contextlib.contextmanager
def open_world(program: str) -> Iterator[World]:
    """The world of the settings file, its metrics served until the block ends."""
    world = build_world(program, config.load_file(settings_path()))
    with serving_metrics(world):
        yield world
