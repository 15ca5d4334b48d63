"""Starting a program: bind its sockets, drop to its user, give up every privilege, run it.

    python -m listeners.launch --name mx --listen smtp=127.0.0.1:25 --count 2 -- listeners.smtp.mx
    python -m listeners.launch --name redis --exec -- redis-server /run/mailstead/redis.conf

1. Sockets are bound here, by whoever may bind low ports, and handed down as MAILSTEAD_SOCKETS=name=descriptor,….
2. With a count, siblings are forked after the program's modules were imported, so that they share that memory; they
   share the listening sockets too, so the death of one refuses nobody. A sibling that dies is started again.
3. After this nothing can be gained back: no_new_privs, no core dumps, and the program ends when its parent does.
"""

import argparse
import ctypes
import gc
import importlib
import os
import pwd
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
BACKLOG = 512
FILES_WANTED = 65_536
RESTART_WAIT_MAX = 10.0


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
    end_with_parent()


def end_with_parent() -> None:
    """TERM when the parent dies. After the change of user, which forgets it."""
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before we asked.
        os.kill(os.getpid(), signal.SIGTERM)


class Siblings:
    """The parent of forked siblings: starts them, starts them again, ends them."""

    def __init__(self, run: Callable[[], None], count: int) -> None:
        self._run = run
        self._count = count
        self._pids: dict[int, float] = {}
        self._stopping = False

    def serve(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._count):
            self._start()
        wait = 0.0
        while self._pids:
            try:
                pid, _ = os.wait()
            except InterruptedError:
                continue
            started = self._pids.pop(pid, None)
            if started is None or self._stopping:
                continue
            # One that lived long died by accident; one that dies at once would spin.
            wait = 0.0 if time.monotonic() - started > 5.0 else min(wait + 0.5, RESTART_WAIT_MAX)
            time.sleep(wait)
            if not self._stopping:
                self._start()

    def _start(self) -> None:
        pid = os.fork()
        if pid:
            self._pids[pid] = time.monotonic()
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = 1
        try:
            end_with_parent()
            self._run()
            status = 0
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


def main() -> None:
    given = arguments()
    handed: list[str] = []
    held: list[socket.socket] = []
    for entry in given.listen:
        name, _, where = entry.partition("=")
        held.append(bind(where))
        handed.append(f"{name}={held[-1].fileno()}")
    os.environ["MAILSTEAD_SOCKETS"] = ",".join(handed)
    drop_to(given.user)
    harden()
    if given.exec:
        os.execvp(given.command[0], given.command)
    module = importlib.import_module(given.command[0])
    sys.argv = given.command
    if given.count == 1:
        module.main()
        return
    gc.collect()
    gc.freeze()
    Siblings(module.main, given.count).serve()


if __name__ == "__main__":
    main()
