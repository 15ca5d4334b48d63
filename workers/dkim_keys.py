"""Retiring selectors whose time has come, and removing private keys that no selector needs any more.

A key is needed while its selector is in the store and not retired. The sign process makes a key before its row is
written, so a young one without a row is left alone.
"""

from collections.abc import Iterator
from typing import Any

from mail.dkim.lifecycle import State
from mail.errors import MailError, Unavailable
from mail.rpc import BlockingClient
from mail.runtime.stored import StoredWorld
from mail.store import dkim_keys

YOUNG_MS = 3_600_000
ANSWER_SECONDS = 10.0


class KeyWork:
    def __init__(self, world: StoredWorld) -> None:
        self._world = world

    def tidy(self) -> int:
        """Returns how many selectors and keys went. Without the sign process the keys wait for the next time."""
        world = self._world
        now = world.clock.wall_ms()
        with world.store.write() as tx:
            retired = dkim_keys.retire_due(tx, now)
        for one in retired:
            world.log.info("selector-retired", domain=one.domain, selector=one.selector)
        client = BlockingClient(world.settings.sign_socket, timeout=ANSWER_SECONDS)
        try:
            return len(retired) + self._remove(client, now)
        except Unavailable as error:
            world.log.warning("keys-not-looked-at", error=str(error))
        except MailError as error:
            world.log.error("keys-not-removed", exc=error)
        finally:
            client.close()
        return len(retired)

    def _remove(self, client: BlockingClient, now: int) -> int:
        with self._world.store.read() as connection:
            rows = dkim_keys.list_keys(connection)
        state: dict[tuple[str, str], Any] = {(one.domain, one.selector): one.state for one in rows}
        litter = [
            (domain, selector)
            for domain, selector, made_at in _all_keys(client)
            if state.get((domain, selector), "") == State.RETIRED.value
            or ((domain, selector) not in state and made_at < now - YOUNG_MS)
        ]
        for domain, selector in litter:
            client.call("remove", {"domain": domain, "selector": selector})
        return len(litter)


def _all_keys(client: BlockingClient) -> Iterator[tuple[str, str, int]]:
    after = ("", "")
    while keys := client.call("list", {"after": after})["keys"]:
        yield from keys
        after = tuple(keys[-1][:2])
