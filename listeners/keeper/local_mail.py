"""The verb `deliver`: mail of our own users for addresses of ours. Its sender is known, so nobody judges it.

Aliases are expanded here as for mail from strangers; what leads elsewhere goes into the queue. Every recipient has a
result of its own, which the delivery worker takes for the reply of a server.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from listeners.keeper.receiving import Commit, Contents
from listeners.rpc import Request
from mail.accounts.expand import Expansion, expand
from mail.accounts.routing import Tables
from mail.address import Address, parse_address
from mail.errors import Invalid, MailError, NoSuchAddress, NotAllowed
from mail.imap.summary import Summary
from mail.receive.forwarding import forwards
from mail.store import arrivals, queue
from mail.store.arrivals import Delivery, LocalRecipient, Placed
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes

RECIPIENTS_MAX = 1000


class LocalMail:
    def __init__(
        self, commit: Commit, contents: Contents, tables: Callable[[], Tables], *, srs_key: bytes, give_up_ms: int
    ) -> None:
        self._commit = commit
        self._contents = contents
        self._tables = tables
        self._srs_key = srs_key
        self._give_up_ms = give_up_ms

    async def deliver(self, request: Request) -> dict[str, Any]:
        """{"blob", "results": one for each recipient, ok or with its error}"""
        args = request.args
        contents = self._contents(request, [args["size"]])
        summary = Summary.from_json(args["summary"])
        listed = args["recipients"]
        if not isinstance(listed, list) or not 0 < len(listed) <= RECIPIENTS_MAX:
            raise Invalid("recipients")
        addresses = [parse_address(str(one["address"]), strict=False) for one in listed]
        # By the spelling `expand` answers with.
        prefixes = {
            str(address): str(one["prefix"]).encode("latin-1") for address, one in zip(addresses, listed, strict=True)
        }
        sender = parse_address(str(args["mail_from"]), strict=False) if args["mail_from"] else None
        tables = self._tables()
        expansion = expand(
            tables,
            addresses,
            author=sender,
            author_verified=True,
            delivered_to=frozenset(),
        )
        results = [_refused(one.rcpt_to, one.code, one.text) for one in expansion.refused]
        results += [{"address": one, "ok": True, "mailbox": "", "uid": 0} for one in expansion.covered]
        if not expansion.local and not expansion.outside:
            return {"blob": "", "results": results}
        found = tuple(
            LocalRecipient(rcpt_to, route.account_id, route.mailbox, prefixes[rcpt_to])
            for rcpt_to, route in expansion.local
        )
        blob_of: list[str] = []

        def write(changes: Changes, staged: list[Staged]) -> list[Placed]:
            blob = BlobRow.of(staged[0], changes.now)
            delivery = Delivery(
                blob,
                summary,
                str(args["cid"]),
                str(args["mail_from"]),
                int(args["received_at"]),
                found,
                dict(args.get("facts") or {}),
            )
            placed = arrivals.deliver(changes, delivery)
            self._forward(changes, delivery, expansion, sender, prefixes, tables, args)
            blob_of.append(blob.id)
            return placed

        placed = await self._commit(contents, write)
        return {"blob": blob_of[-1], "results": results + _results(placed, expansion)}

    def _forward(
        self,
        changes: Changes,
        delivery: Delivery,
        expansion: Expansion,
        sender: Address | None,
        prefixes: dict[str, bytes],
        tables: Tables,
        args: dict[str, Any],
    ) -> None:
        if not expansion.outside or tables.postmaster_account is None:
            return
        sent = forwards(
            expansion.outside,
            reverse_path=sender,
            sender_passed=True,
            key=self._srs_key,
            now=changes.now,
            prefix=prefixes.__getitem__,
        )
        silent = _silent(args["recipients"])
        sent = [replace(one, return_to=queue.NOBODY) if one.rcpt_to in silent else one for one in sent]
        arrivals.forward(
            changes,
            delivery,
            sent,
            account_id=tables.postmaster_account,
            expires_at=changes.now + self._give_up_ms,
            smtputf8=bool(args.get("smtputf8")),
            require_tls=args.get("require_tls"),
        )


def _silent(recipients: list[dict[str, Any]]) -> set[str]:
    """Those of whose failures the sender asked not to hear: nor of what fails where they lead (RFC 3461 §5.2.7)."""
    return {
        str(parse_address(str(one["address"]), strict=False))
        for one in recipients
        if one.get("notify") and "FAILURE" not in str(one["notify"]).split(",")
    }


def _results(placed: list[Placed], expansion: Expansion) -> list[dict[str, Any]]:
    """One for each recipient: an alias has done its part when one member has its copy."""
    found: dict[str, dict[str, Any]] = {
        rcpt_to: {"address": rcpt_to, "ok": True, "mailbox": "", "uid": 0} for rcpt_to, _ in expansion.outside
    }
    for one in placed:
        made = placed_as_json(one)
        if one.address not in found or "error" in found[one.address]:
            found[one.address] = made
    return list(found.values())


def _refused(address: str, code: int, text: str) -> dict[str, Any]:
    if code < 500:
        return error_as_json(address, MailError(public=text))
    return error_as_json(address, NoSuchAddress() if text.startswith("No such") else NotAllowed(public=text))


def placed_as_json(placed: Placed) -> dict[str, Any]:
    if placed.error is not None:
        return error_as_json(placed.address, placed.error)
    return {
        "address": placed.address,
        "ok": True,
        "account_id": placed.account_id,
        "mailbox": placed.mailbox,
        "uid": placed.uid,
    }


def error_as_json(address: str, error: MailError) -> dict[str, Any]:
    return {"address": address, "error": {"kind": type(error).__name__, "public": error.public}}
