"""The verb `deliver`: mail of our own users for addresses of ours. Its sender is known, so nobody judges it.

Aliases are expanded here as for mail from strangers; what leads elsewhere goes into the queue. Rulesets say which
mailbox a copy goes to, and no more: nothing is refused. Every recipient has a result of its own, which the delivery
worker takes for the reply of a server.
"""

from dataclasses import replace
from typing import Any

from listeners.keeper.receiving import Commit, Contents
from listeners.keeper.tables import RoutingTables
from listeners.rpc import Request
from mail.accounts.expand import Expansion, expand
from mail.accounts.routing import Tables
from mail.address import Address, parse_address
from mail.errors import Invalid, MailError
from mail.imap.summary import Summary
from mail.policy.facts import MessageFacts
from mail.receive.forwarding import forwards
from mail.receive.judge import meant_for
from mail.store import arrivals, queue
from mail.store.arrivals import Delivery, LocalRecipient, Placed
from mail.store.blob_rows import BlobRow
from mail.store.blobs import Staged
from mail.store.changes import Changes

RECIPIENTS_MAX = 1000


class LocalMail:
    def __init__(
        self, commit: Commit, contents: Contents, tables: RoutingTables, *, srs_key: bytes, give_up_ms: int
    ) -> None:
        self._commit = commit
        self._contents = contents
        self._tables = tables
        self._srs_key = srs_key
        self._give_up_ms = give_up_ms

    async def deliver(self, request: Request) -> dict[str, Any]:
        """{"blob", "results": one for each recipient: ok, `refused` with a reply, or with the error that stopped it}"""
        args = request.args
        contents = self._contents(request, [args["size"]])
        summary = Summary.from_json(args["summary"])
        prefixes = _prefixes(args["recipients"])
        sender = parse_address(str(args["mail_from"]), strict=False) if args["mail_from"] else None
        tables = self._tables.current
        expansion = expand(
            tables,
            [parse_address(one, strict=False) for one in prefixes],
            author=sender,
            author_verified=True,
            delivered_to=frozenset(),
        )
        results = [{"address": one.rcpt_to, "refused": [one.code, one.enhanced, one.text]} for one in expansion.refused]
        results += [{"address": one, "ok": True, "mailbox": "", "uid": 0} for one in expansion.covered]
        if not expansion.local and not expansion.outside:
            return {"blob": "", "results": results}
        found = self._recipients(args, expansion, prefixes)
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

    def _recipients(
        self, args: dict[str, Any], expansion: Expansion, prefixes: dict[str, bytes]
    ) -> tuple[LocalRecipient, ...]:
        """Each with the mailbox its address or the first matching ruleset of it names. A notification of ours has no
        fields to match: it is never put aside.
        """
        given = args["fields"]
        try:
            fields = [(str(name), str(value)) for name, value in given or ()]
        except (TypeError, ValueError) as error:
            raise Invalid(f"fields: {error!r}") from error
        facts = self._facts(args)
        made: list[LocalRecipient] = []
        for rcpt_to, route in expansion.local:
            rulesets = self._tables.incoming.rulesets_of(route.account_id, *route.place) if given is not None else ()
            ruleset, mailbox = meant_for(route, rulesets, facts, fields)
            told = {} if ruleset is None else {"ruleset_id": ruleset.ruleset_id, "ruleset_mailbox": ruleset.mailbox}
            made.append(LocalRecipient(rcpt_to, route.account_id, mailbox, prefixes[rcpt_to], facts=told))
        return tuple(made)

    def _facts(self, args: dict[str, Any]) -> MessageFacts:
        """What rulesets ask for. Nobody checks SPF and DKIM of what was submitted here: that its author had logged in,
        and that the address he writes as is his, proves his domain (features-2 B05 by features-1 §16).
        """
        author = parse_address(str(args["author"]), strict=False) if args["author"] else None
        submitter = int(args["submitter"])
        proved = author is not None and submitter and self._tables.current.owns(submitter, author)
        return MessageFacts(
            ip="",
            mail_from=str(args["mail_from"]),
            author=str(author or ""),
            login_domain=author.domain if author is not None and proved else "",
        )

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


def _prefixes(listed: Any) -> dict[str, bytes]:
    """The fields in front of the copy of each recipient, who is spelled as `expand` answers. Invalid."""
    if not isinstance(listed, list) or not 0 < len(listed) <= RECIPIENTS_MAX:
        raise Invalid("recipients")
    return {
        str(parse_address(str(one["address"]), strict=False)): str(one["prefix"]).encode("latin-1") for one in listed
    }


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
