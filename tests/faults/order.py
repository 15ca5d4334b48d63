"""The order of syncs, read from system calls: what an acknowledgement promises must be durable before it leaves.

A trace is what `strace -f -y -s 8192` prints. For every acknowledgement (the keeper's reply, the SMTP 250, the OK of an
APPEND) the checker asks, of the message it names (security §3.2, §3.9):

    a file:    last write to it < its fdatasync < link < fsync of its folder < its row in the log < sync of the log
    a row:     its content in the log < sync of the log

A call counts when it has returned. A page of the log may be written again by later messages, so only the first writing
of a name counts: the sync after that one made it durable.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

CALLS = "write,writev,pwrite64,pwritev,fsync,fdatasync,link,linkat,sendto,sendmsg"
STRACE = ("strace", "-f", "-y", "-s", "8192", "-qq", "-e", f"trace={CALLS}")

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_ENDED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
_TEMPORARY = re.compile(r"/blobs/tmp/([0-9a-f]{32})")
_FOLDER = re.compile(r"/blobs/(\d{8}/[0-9a-f]{2})>")
_LINKED = re.compile(r"/blobs/(\d{8}/[0-9a-f]{2})/([0-9a-f]{32})")
_ID = re.compile(r"[0-9a-f]{32}")
# How strace shows octets that are no text: digits of its own, which must not run into those of a name.
_ESCAPED = re.compile(r"\\(?:[0-7]{1,3}|.)")
_MARK = re.compile(r"X-Ledger: ([\w.-]+)")
# Wherever the answer of a verb names what was stored.
_KEEPERS_WORD = re.compile(r'\\"ok\\":\{[^{}]*?\\"blob\\":\\"([0-9a-f]{32})')
_SMTP_WORD = re.compile(r"250 2\.0\.0 Ok: stored as ([0-9a-f]{32})")
_IMAP_WORD = re.compile(r"(app[\w.-]+) OK \[APPENDUID")

WRITES = ("write", "writev", "pwrite64", "pwritev")
SYNCS = ("fsync", "fdatasync")


def returned(text: str) -> Iterator[tuple[str, str]]:
    """(call, arguments) of every call that succeeded, in the order they returned."""
    begun: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        if match := _BEGUN.match(line):
            begun[match[1], match[2]] = match[3]
        elif match := _ENDED.match(line):
            arguments = begun.pop((match[1], match[2]), "") + match[3]
            if int(match[4]) >= 0:
                yield match[2], arguments
        elif (match := _WHOLE.match(line)) and int(match[4]) >= 0:
            yield match[2], match[3]


@dataclass
class Order:
    """What has been seen so far."""

    violations: list[str] = field(default_factory=list)
    # Acknowledgements checked, by who gave them.
    checked: dict[str, int] = field(default_factory=lambda: {"keeper": 0, "smtp": 0, "imap": 0})
    # The last step of each file: written, synced, linked, durable.
    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)
    # The file that holds a marked message.
    _file_of: dict[str, str] = field(default_factory=dict)
    # Names and marks in the log: written there, and those whose sync has returned.
    _logged: set[str] = field(default_factory=set)
    _durable: set[str] = field(default_factory=set)

    def see(self, call: str, arguments: str) -> None:
        if call in WRITES and "/blobs/tmp/" in arguments:
            self._file_written(arguments)
        elif call in WRITES and "core.db-wal>" in arguments:
            self._log_written(arguments)
        elif call in SYNCS and "core.db-wal>" in arguments:
            self._durable |= self._logged
        elif call in SYNCS and (match := _TEMPORARY.search(arguments)):
            self._step(match[1], "written", "synced")
        elif call in SYNCS and (match := _FOLDER.search(arguments)):
            for name, folder in self._folders.items():
                if folder == match[1] and self._files[name] == "linked":
                    self._files[name] = "durable"
        elif call in ("link", "linkat") and (match := _LINKED.search(arguments)):
            self._folders[match[2]] = match[1]
            self._step(match[2], "synced", "linked")
        elif call in ("sendto", "sendmsg", *WRITES):
            self._acknowledged(arguments)

    def _file_written(self, arguments: str) -> None:
        match = _TEMPORARY.search(arguments)
        if match is None:
            return
        if self._files.get(match[1], "written") != "written":
            self.violations.append(f"{match[1]}: written again after it was {self._files[match[1]]}")
        self._files[match[1]] = "written"
        if mark := _MARK.search(arguments):
            self._file_of[mark[1]] = match[1]

    def _step(self, name: str, before: str, after: str) -> None:
        if self._files.get(name) != before:
            self.violations.append(f"{name}: {after} when it was {self._files.get(name)}")
        self._files[name] = after

    def _log_written(self, arguments: str) -> None:
        for name in _ID.findall(_ESCAPED.sub(" ", arguments)):
            if name in self._logged:
                continue
            self._logged.add(name)
            if self._files.get(name, "durable") != "durable":
                self.violations.append(f"{name}: its row was written when the file was {self._files[name]}")
        self._logged |= {f"mark {mark}" for mark in _MARK.findall(arguments)}

    def _acknowledged(self, arguments: str) -> None:
        for who, pattern in (("keeper", _KEEPERS_WORD), ("smtp", _SMTP_WORD)):
            for name in pattern.findall(arguments):
                self.checked[who] += 1
                self._must_be_durable(who, name)
        for mark in _IMAP_WORD.findall(arguments):
            self.checked["imap"] += 1
            self._must_be_durable("imap", self._file_of.get(mark, f"mark {mark}"))

    def _must_be_durable(self, who: str, name: str) -> None:
        if name not in self._durable:
            self.violations.append(f"{name}: acknowledged by {who} before the log was synced")
        if self._files.get(name, "durable") != "durable":
            self.violations.append(f"{name}: acknowledged by {who} when its file was {self._files[name]}")


def check(text: str) -> Order:
    seen = Order()
    for call, arguments in returned(text):
        seen.see(call, arguments)
    return seen
