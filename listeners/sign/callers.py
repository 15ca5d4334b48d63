"""Who may ask the sign process for what, told by the kernel (SO_PEERCRED).

Root and its own uid may do everything: that is `mailctl`, and in a local bundle everybody. A verb that is not named
here is for them alone: nobody who talks to strangers makes or removes a key.
"""

import os
import pwd
from collections.abc import Iterable, Mapping

from listeners.rpc import Request
from mail.errors import NotAllowed

# By the users of the process table (roles/supervisor/defaults/main.yml).
MAY: Mapping[str, tuple[str, ...]] = {
    "sign": ("mailstead-sub", "mailstead-out"),
    "list": ("mailstead-chores", "mailstead-web"),
    # Of retired selectors: workers/dkim_keys.py.
    "remove": ("mailstead-chores",),
}


class Callers:
    def __init__(self, uids: Mapping[str, int] | None = None) -> None:
        """`uids` of the users there are; None: as the host has them."""
        named = {name for users in MAY.values() for name in users}
        known = _uids(named) if uids is None else uids
        self._masters = frozenset({0, os.getuid()})
        self._may = {verb: frozenset(known[name] for name in users if name in known) for verb, users in MAY.items()}

    @property
    def all(self) -> frozenset[int]:
        return self._masters.union(*self._may.values())

    def check(self, request: Request) -> None:
        """NotAllowed."""
        if request.uid not in self._masters and request.uid not in self._may.get(request.verb, ()):
            raise NotAllowed(f"uid {request.uid} asked for {request.verb}")


def _uids(names: Iterable[str]) -> dict[str, int]:
    """Of the users this host has; a local bundle's has none of them."""
    return {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in names}
