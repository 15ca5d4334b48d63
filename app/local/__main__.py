"""`./serve`: start, stop, status, logs of a local bundle; without a word, run it in the foreground."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from app.local import configure, processes
from app.local.places import ACCOUNT, ADMIN_PASSWORD, DEFAULT_OFFSET, DOMAIN, PASSWORD, ROOT, Places, has_ipv6, sockets
from app.local.prepare import prepare
from app.local.stopping import stop_programs
from mail.errors import MailError

READY_SECONDS = 60.0
STOP_SECONDS = 90.0


def places_of(folder: str) -> Places:
    return Places(Path(folder).resolve())


Command = Callable[..., None]


def folder_option(command: Command) -> Command:
    option = click.option(
        "--dir", "folder", default=str(ROOT / "local"), show_default=True, help="The bundle's folder."
    )
    return option(command)


def start_options(command: Command) -> Command:
    for option in (
        click.option("--deliver-to", default="", help="host:port that gets outgoing mail, instead of our own port 25."),
        click.option("--resolver", default="", help="host:port of a DNS resolver: check arriving mail as a host does."),
        click.option("--dnsbl", multiple=True, metavar="ZONE", help="A block list to ask about clients; repeatable."),
        click.option(
            "--messages-per-minute",
            default=configure.MESSAGES_A_MINUTE,
            help="How many an account takes from one address a minute.",
        ),
        click.option(
            "--refuse-unknown",
            is_flag=True,
            help="Refuse unknown recipients as a host does; else the account has them.",
        ),
        click.option(
            "--first-time-delay", "delay", default=0, help="Seconds that mail of unknown senders waits, as on a host."
        ),
        click.option("--plaintext-login", is_flag=True, help="Allow logins without TLS on loopback; for measurements."),
        click.option("--port-offset", default=DEFAULT_OFFSET, show_default=True, help="Added to each standard port."),
        folder_option,
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@start_options
@click.pass_context
def serve(context: click.Context, folder: str, port_offset: int, **chosen: Any) -> None:
    """Run Mailstead here: every process, on high ports of loopback, below one folder. Without a command: in the
    foreground, until Ctrl-C."""
    if context.invoked_subcommand is None:
        places = places_of(folder)
        # Before the start, so that no moment is left in which Ctrl-C would end this and leave the bundle behind.
        ended = noted_signals()
        begin(places, port_offset, **chosen)
        stay(places, ended)


@serve.command()
@start_options
def start(folder: str, port_offset: int, **chosen: Any) -> None:
    """Start in the background and wait until everything answers."""
    begin(places_of(folder), port_offset, **chosen)


def begin(places: Places, port_offset: int, **chosen: Any) -> None:
    """`chosen`: what the options say, by the names of `configure.values`."""
    places.folder.mkdir(parents=True, exist_ok=True)
    with open(places.folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"another ./serve is at work on {places.folder}; wait for it") from None
        if processes.supervisor(places) is not None:
            raise click.ClickException(f"{places.folder} is running already; `./serve stop` stops it")
        recover(places)
        bound = sockets(port_offset)
        with ports_claimed(bound):
            if not has_ipv6():
                click.echo("This host has no IPv6: listening on 127.0.0.1 only.")
            places.make_run()
            for path in (places.log, places.state):
                path.mkdir(mode=0o750, exist_ok=True)
            settings = configure.write(places, configure.values(places, smtp=bound["smtp"][0], **chosen), bound)
            prepare(places, settings)
            wait_until_ready(places, bound, launch(places))
        announce(places, bound)


def recover(places: Places) -> None:
    """After a crash: end what it left behind. The databases recover by themselves."""
    places.ready.unlink(missing_ok=True)
    left = processes.leftovers(places)
    if left:
        click.echo(f"The last run ended badly: ending {len(left)} processes it left behind.")
        processes.end(left, 2.0)
    places.supervisor_pid.unlink(missing_ok=True)


@contextlib.contextmanager
def ports_claimed(bound: dict[str, list[str]]) -> Iterator[None]:
    """For as long as we start: two that start at once would both find the ports free, and as listeners bind with
    SO_REUSEPORT, share them, each with half of the other's mail.
    """
    with contextlib.ExitStack() as claims:
        for name, addresses in bound.items():
            for where in addresses:
                claimed = processes.claim(where)
                if claimed is None or processes.answers("", where):
                    words = f"port {where} ({name}) is taken by another program; choose another --port-offset"
                    raise click.ClickException(words)
                claims.enter_context(claimed)
        yield


def launch(places: Places) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(places.supervisor_configuration)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    # Not its own daemon mode: that answers before its pid file is written. A session of its own outlives this one.
    with open(places.supervisor_output, "wb") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def wait_until_ready(places: Places, bound: dict[str, list[str]], started: "subprocess.Popen[bytes]") -> None:
    """Each service answers, not a time has passed."""
    waiting = [(name, where) for name in processes.ANSWERING for where in bound[name]]
    inner = [places.run / f"{name}.sock" for name in ("keeper", "auth", "redis")]
    inner += [places.run / "metrics" / f"{name}.*.sock" for name in ("deliver", "chores", "clock")]
    until = time.monotonic() + READY_SECONDS
    while waiting or inner:
        inner = [path for path in inner if not processes.socket_answers(path)]
        waiting = [(name, where) for name, where in waiting if not processes.answers(name, where)]
        if started.poll() is not None:
            words = places.supervisor_output.read_text(errors="replace").strip()[-500:]
            raise click.ClickException(f"supervisord ended with code {started.returncode}: {words}")
        if time.monotonic() > until:
            missing = ", ".join(sorted({*(name for name, _ in waiting), *(path.name.split(".")[0] for path in inner)}))
            raise click.ClickException(f"not ready: {missing}; the logs are in {places.log}")
        if waiting or inner:
            time.sleep(0.02)


def announce(places: Places, bound: dict[str, list[str]]) -> None:
    ready = {name: addresses[0] for name, addresses in bound.items()}
    ready |= {
        "account": f"{ACCOUNT}@{DOMAIN}",
        "password": PASSWORD,
        "admin_password": ADMIN_PASSWORD,
        "ca_file": str(places.folder / "ca.pem"),
    }
    part = places.ready.with_suffix(".part")
    part.write_text(json.dumps(ready, indent=2) + "\n")
    part.replace(places.ready)
    for name in bound:
        click.echo(f"{name:12} {ready[name]}")
    for name in ("account", "password", "admin_password", "ca_file"):
        click.echo(f"{name:15} {ready[name]}")
    shown = f" --dir {places.folder}" if places.folder != ROOT / "local" else ""
    click.echo(f"Ready. `./serve status{shown}` shows the programs, `./serve stop{shown}` ends them.")


@serve.command()
@folder_option
def stop(folder: str) -> None:
    """Let every program finish what it has begun, and end."""
    finish(places_of(folder))


def finish(places: Places) -> None:
    pid = processes.supervisor(places)
    places.ready.unlink(missing_ok=True)
    if pid is None:
        left = processes.leftovers(places)
        processes.end(left, 5.0)
        places.remove_run()
        click.echo("Not running." if not left else f"Ended {len(left)} processes left behind.")
        return
    with contextlib.suppress(OSError, xmlrpc.client.Error):
        stop_programs(places, STOP_SECONDS)
    os.kill(pid, signal.SIGTERM)
    if not processes.wait_gone(pid, STOP_SECONDS):
        os.kill(pid, signal.SIGKILL)
    processes.end(processes.leftovers(places), 5.0)
    places.remove_run()
    click.echo("Stopped.")


@serve.command()
@folder_option
def status(folder: str) -> None:
    """supervisorctl's table, and the memory of each process."""
    places = places_of(folder)
    pid = processes.supervisor(places)
    if pid is None:
        raise click.ClickException(f"{places.folder} is not running; `./serve start` starts it")
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(places.supervisor_configuration)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run([*command, "status"], env=environment, check=False)
    click.echo(f"\nsupervisorctl -c {places.supervisor_configuration}\n")
    total = 0
    for one in sorted([pid, *processes.leftovers(places)]):
        size = processes.pss_kib(one)
        total += size
        click.echo(f"{one:>8} {size / 1024:7.1f} MiB  {shown_command(one)}")
    click.echo(f"{'':8} {total / 1024:7.1f} MiB  proportional set size in all")


def shown_command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1").split()
    except OSError:
        return "?"
    if "--name" in words:
        return words[words.index("--name") + 1]
    return " ".join(Path(word).name for word in words[:3])


@serve.command()
@folder_option
@click.argument("program", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
def logs(folder: str, program: str | None, follow: bool) -> None:
    """The programs' log lines; of one program when named."""
    places = places_of(folder)
    files = sorted(places.log.glob(f"{program or '*'}.log"))
    if not files:
        raise click.ClickException(f"no log of {program or 'any program'} in {places.log}")
    # tail knows how to follow files that are rotated; we need not.
    os.execvp("tail", ["tail", "-n", "200", *(["-F"] if follow else []), *map(str, files)])


def noted_signals() -> list[int]:
    """The signals to end that come from now on."""
    noted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, frame: noted.append(got))
    return noted


def stay(places: Places, ended: list[int]) -> None:
    """In the foreground until somebody wants us to end, or the bundle has."""
    pid = processes.supervisor(places)
    click.echo("Press Ctrl-C to stop.")
    while not ended and pid is not None and processes.alive(pid):
        time.sleep(0.2)
    finish(places)


if __name__ == "__main__":
    try:
        serve(prog_name="./serve")
    except MailError as error:
        click.echo(f"Error: {error.public}", err=True)
        sys.exit(1)
