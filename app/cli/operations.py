"""mailctl verify, status, settings, migrate."""

import sys
import time
from dataclasses import fields

import click

from app.cli.context import Context, json_option, pass_context, plain, print_json, show
from mail.config import settings as config
from mail.config.settings import Settings
from mail.errors import Unavailable
from mail.runtime.stored import open_store
from mail.store import migrate as migrations
from mail.store import status as counting
from mail.store import verify as verifying


@click.command()
@click.option("--no-hashes", is_flag=True, help="Do not read every blob to compare its hash.")
@json_option
@pass_context
def verify(context: Context, no_hashes: bool, as_json: bool) -> None:
    """Check every promise the store makes about itself. Exit code 1 when one is broken."""
    started = time.monotonic()
    findings = list(verifying.findings(context.store, context.blobs, hashes=not no_hashes))
    strays = list(verifying.strays(context.store, context.blobs))
    with context.store.read() as connection:
        counts = counting.counts(connection, context.clock.wall_ms())
    result = {
        "ok": not findings,
        "findings": [plain(finding) for finding in findings],
        "warnings": [plain(stray) for stray in strays],
        "counts": plain(counts),
        "seconds": round(time.monotonic() - started, 3),
    }
    lines = [f"{finding.kind}: {finding.subject}: {finding.what}" for finding in findings]
    lines += [f"warning: {stray.kind}: {stray.subject}: {stray.what}" for stray in strays]
    lines.append(f"{len(findings)} findings, {len(strays)} warnings in {result['seconds']} s")
    show(result, as_json, lines)
    if findings:
        sys.exit(1)


@click.command()
@json_option
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Counts, the queue, and whether the inner processes answer."""
    with context.store.read() as connection:
        counts = plain(counting.counts(connection, context.clock.wall_ms()))
    programs: dict[str, object] = {}
    try:
        keeper = context.keeper("status", {})
        programs["keeper"] = "refuses: " + keeper["refusing"] if keeper["refusing"] else "ok"
    except Unavailable as error:
        programs["keeper"] = error.public
    try:
        context.auth("allowed", {"ip": "127.0.0.1"})
        programs["auth"] = "ok"
    except Unavailable as error:
        programs["auth"] = error.public
    value = {"counts": counts, "programs": programs, "durability": "full"}
    lines = [f"{name:20} {count}" for name, count in counts.items()]
    lines += [f"{name:20} {state}" for name, state in programs.items()]
    show(value, as_json, [*lines, f"{'durability':20} full"])


@click.group()
def settings() -> None:
    """The host's settings."""


@settings.command("show")
@json_option
@pass_context
def show_settings(context: Context, as_json: bool) -> None:
    """Every setting as it is in force."""
    values = {one.name: getattr(context.settings, one.name) for one in fields(Settings)}
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        click.echo(f"{name:28} {value}")


@settings.command("page")
def settings_page() -> None:
    """docs/SETTINGS.md, from the settings themselves."""
    click.echo(config.page(), nl=False)


@click.command()
@json_option
@pass_context
def migrate(context: Context, as_json: bool) -> None:
    """Make or upgrade the database's schema. Stop the programs first."""
    store = open_store(context.settings)
    try:
        migrations.upgrade(store)
    finally:
        store.close()
    show({"migrated": True}, as_json, "the schema is this release's")
