"""STORE and UID STORE. RFC 9051 §6.4.6, RFC 7162 §3.1.3, features S03."""

from typing import Any

from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mail.imap.commands.store import Store
from mail.imap.index import Index
from mail.imap.responses import Reply, ok
from mail.imap.sequence import render_sequence
from mail.store.changes import Changes
from mail.store.message_changes import store_flags
from mail.store.rows import StoreResult


async def run(session: Session, command: Store) -> Reply | None:
    selected = session.selected
    assert selected is not None
    uids = selected.uids(command.messages, uid=command.uid)
    if command.unchanged_since is not None:
        session.use_condstore()
    before = selected.index
    result = await session.change(_store, selected, uids, command) if uids else StoreResult([], [])
    modified = set(result.modified)
    stored = [uid for uid in uids if uid not in modified]
    if command.silent:
        quiet = _as_asked(session.service.indexes.current(selected.key), before, stored, command)
        await session.catch_up(uid=command.uid, keeps_numbers=not command.uid, quiet=quiet)
    else:
        # The new value is told even where it is the old one: RFC 9051 §6.4.6.
        await session.catch_up(uid=command.uid, keeps_numbers=not command.uid, also=stored)
    if not modified:
        return None
    if command.uid:
        numbers = sorted(modified)
    else:
        numbers = sorted(place + 1 for place in map(selected.index.position, modified) if place >= 0)
    return ok(f"MODIFIED {render_sequence(numbers).decode()}", "Some messages were changed by others.")


def _store(changes: Changes, selected: Selected, uids: list[int], command: Store) -> StoreResult:
    asked: dict[str, Any]
    if command.action == "+":
        asked = {"add": command.flags, "add_keywords": command.keywords}
    elif command.action == "-":
        asked = {"remove": command.flags, "remove_keywords": command.keywords}
    else:
        asked = {"replace": (command.flags, command.keywords)}
    state = changes.account(selected.account_id)
    return store_flags(state, selected.mailbox_id, uids, unchanged_since=command.unchanged_since, **asked)


def _as_asked(now: Index | None, before: Index, uids: list[int], command: Store) -> list[int]:
    """UIDs whose flags are what the client can work out itself. Others it must be told in spite of .SILENT."""
    if now is None:
        return []
    quiet = []
    for uid in uids:
        place, was = now.position(uid), before.position(uid)
        if place < 0 or was < 0:
            continue
        expected, keywords = before.flags[was], set(before.keywords[was].split())
        if command.action == "+":
            expected, keywords = expected | command.flags, keywords | command.keywords
        elif command.action == "-":
            expected, keywords = expected & ~command.flags, keywords - command.keywords
        else:
            expected, keywords = command.flags, set(command.keywords)
        if now.flags[place] == expected and set(now.keywords[place].split()) == keywords:
            quiet.append(uid)
    return quiet
