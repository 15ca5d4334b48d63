"""Starting a program: bind its sockets, drop to its user, give up every privilege, run it.

    python -m listeners.launch --name mx --listen smtp=127.0.0.1:25 --count 2 -- listeners.smtp.mx
    python -m listeners.launch --name redis --exec -- redis-server /run/mailstead/redis.conf

1. Sockets are bound here, by whoever may bind low ports, and handed down as MAILSTEAD_SOCKETS=name=descriptor,….
2. With a count, siblings are forked after the program's modules were imported, so that they share that memory; they
   share the listening sockets too, so the death of one refuses nobody. A sibling that dies is started again.
3. After this nothing can be gained back: no_new_privs, no core dumps, and the program ends when its parent does
   (security §4.3).
4. A program is a module with `main() -> None` (of a package: its `__main__`), which runs until TERM and then drains.
   With --exec it is a command from outside this project.
"""

import argparse
import ctypes
import gc
import importlib
import importlib.util
import os
import pwd
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable

from listeners.tallies import SIBLINGS_VARIABLE, siblings_memory
from mail import log as logs

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
BACKLOG = 512
FILES_WANTED = 65_536
RESTART_WAIT_MAX = 10.0
LIVED_LONG = 5.0
# New containers until the garbage collector looks at them: some 5 MiB.
COLLECT_AT = 20_000
STOPPERS = frozenset({signal.SIGTERM, signal.SIGINT})


def bind(where: str) -> socket.socket:
    """A listening socket for `127.0.0.1:25`, `[::1]:25` or `/path/to.sock`."""
    if where.startswith("/"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(where):
            os.unlink(where)
        made.bind(where)
        os.chmod(where, 0o660)
    else:
        host, _, port = where.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        # With proto 0 asyncio would not set TCP_NODELAY, at 40 ms a connection.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A new launcher may bind while the last one's siblings drain.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host.strip("[]"), int(port)))
    made.listen(BACKLOG)
    made.set_inheritable(True)
    return made


def drop_to(user: str) -> None:
    """Become the user with its own groups, for good. An empty name: stay who we are (the local bundle)."""
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        # Nobody else of that uid may read our memory (security IN-5). The local bundle's owner may: it counts memory.
        _prctl(PR_SET_DUMPABLE, 0)
        os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def harden() -> None:
    os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if most == resource.RLIM_INFINITY else min(FILES_WANTED, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def end_with(parent: int) -> None:
    """TERM when the parent dies. After the change of user, which forgets it."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before we asked.
        os.kill(os.getpid(), signal.SIGTERM)


class Siblings:
    """The parent of forked siblings: starts them, starts them again, ends them."""

    def __init__(self, run: Callable[[], None], count: int) -> None:
        self._run = run
        self._count = count
        self._memory = siblings_memory(count)
        # By pid: which of them it is, and when it was started.
        self._pids: dict[int, tuple[int, float]] = {}
        self._stopping = False

    def serve(self) -> None:
        for number in STOPPERS:
            signal.signal(number, self._stop)
        for index in range(self._count):
            self._start(index)
        wait = 0.0
        while self._pids:
            try:
                pid, _ = os.wait()
            except InterruptedError:
                continue
            known = self._pids.pop(pid, None)
            if known is None or self._stopping:
                continue
            index, started = known
            # One that lived long died by accident; one that dies at once would spin.
            wait = 0.0 if time.monotonic() - started > LIVED_LONG else min(wait + 0.5, RESTART_WAIT_MAX)
            time.sleep(wait)
            if not self._stopping:
                self._start(index)

    def _start(self, index: int) -> None:
        # Blocked meanwhile: a TERM between fork and our own handlers would be lost, or run the parent's in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPERS)
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._pids[pid] = index, time.monotonic()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPERS)
            return
        status = 1
        try:
            for number in STOPPERS:
                signal.signal(number, signal.SIG_DFL)
            end_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPERS)
            os.environ[SIBLINGS_VARIABLE] = f"{index},{self._count},{self._memory}"
            self._run()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
            raise
        finally:
            os._exit(status)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--listen", action="append", default=[], help="name=host:port, several times")
    parser.add_argument("--user", default="")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--exec", action="store_true", help="the command is a program, not a module of ours")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def listen(entries: list[str]) -> str:
    """Bind `name=where` entries; returns what MAILSTEAD_SOCKETS says of them.

    The descriptors belong to nobody's object: a program closes its own when it drains, the parent of siblings keeps
    them to its end, so that the death of a sibling refuses nobody.
    """
    told: list[str] = []
    for entry in entries:
        name, _, where = entry.partition("=")
        try:
            told.append(f"{name}={bind(where).detach()}")
        except OSError as error:
            raise SystemExit(f"cannot listen on {where} ({name}): {error.strerror}") from error
    return ",".join(told)


def program(name: str) -> Callable[[], None]:
    """`main` of a module, or of a package's `__main__`."""
    found = importlib.util.find_spec(name)
    packaged = found is not None and found.submodule_search_locations is not None
    run: Callable[[], None] = importlib.import_module(f"{name}.__main__" if packaged else name).main
    return run


def main() -> None:
    parent = os.getppid()
    given = arguments()
    os.environ["MAILSTEAD_SOCKETS"] = listen(given.listen)
    drop_to(given.user)
    harden()
    end_with(parent)
    if given.exec:
        os.execvp(given.command[0], given.command)
    logs.capture(logs.for_program(given.name))
    # Modules live for ever: collecting while they come would find nothing and leave holes that siblings write into.
    gc.disable()
    run = program(given.command[0])
    gc.freeze()
    gc.enable()
    # The answers of a database are thousands of rows, none in a circle: looking for one each 700 is for nothing.
    gc.set_threshold(COLLECT_AT)
    sys.argv = given.command
    if given.count == 1:
        run()
    else:
        Siblings(run, given.count).serve()


if __name__ == "__main__":
    main()
