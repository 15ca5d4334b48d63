"""The mail transaction of an SMTP session: MAIL, RCPT, DATA, BDAT. RFC 5321 §3.3, RFC 3030.

`MxSession` and `SubmissionSession` fill in who may send, which recipients are taken, and what becomes of a message.
"""

import asyncio
from dataclasses import replace

from listeners.smtp.conversation import Conversation
from listeners.smtp.transaction import NO_ROOM, Body, Transaction, Wanted
from mail.address import Address, parse_domain
from mail.errors import BadAddress, MailError
from mail.receive.refusals import SENTENCES, Refusal, reason_for
from mail.receive.simulate import Simulated, at_mail, at_rcpt
from mail.smtp import envelope, future_release
from mail.smtp.commands import COMMANDS
from mail.smtp.envelope import Mail, Rcpt
from mail.smtp.limits import MESSAGES
from mail.smtp.replies import BadCommand, Reply, reply_for

GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients", "too-many-recipients")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in one session")
TOO_LARGE = Reply(552, "5.3.4", "Message size exceeds fixed limit", "too-large")
HOUR = 3600.0


class Session(Conversation):
    """The mail transaction: MAIL, RCPT, DATA and BDAT."""

    async def smtp_MAIL(self, argument: str) -> None:
        if self.transaction is not None:
            raise BadCommand(503, "5.5.1", "A transaction is under way; RSET first")
        mail = envelope.parse_mail(argument, may_hold=self.submission)
        if mail.require_tls and self.tls is None:
            raise BadCommand(523, "5.7.10", "REQUIRETLS needs TLS on this connection")
        release_at = future_release.release_at(mail.hold, self.service.clock.wall_ms()) if mail.hold else 0
        if self.strikes.messages >= MESSAGES:
            self.say_goodbye(TOO_MANY_MESSAGES)
            return
        if mail.size is not None and mail.size > self.service.max_message_bytes:
            self.note_refused(mail, "", TOO_LARGE)
            self.answer(TOO_LARGE)
            return
        refusal = await self.sender_refused(mail)
        if refusal is None and self.service.simulate_failures and mail.reverse_path is not None:
            refusal = await self._simulated(at_mail(mail.reverse_path))
        if refusal is None and not await self.service.has_space(mail.size or 0):
            refusal = NO_ROOM
        if refusal is not None:
            self.note_refused(mail, "", refusal)
            self.answer(refusal)
            return
        self.transaction = Transaction(mail, release_at)
        self.answer(Reply(250, "2.1.0", "Ok"))

    def note_refused(self, mail: Mail, rcpt_to: str, reply: Reply) -> None:
        """For the trace, where there is a word for it."""
        if reply.reason in SENTENCES:
            origin = self.origin
            sender = str(mail.reverse_path or "")
            self.service.refusals.add(
                Refusal(
                    *(self.service.clock.wall_ms(), origin.cid, origin.ip, self.ehlo_name, sender, rcpt_to),
                    *(reply.code, reply.enhanced, reply.text, reply.reason),
                )
            )

    async def sender_refused(self, mail: Mail) -> Reply | None:
        """Why this session may not send as him."""
        return None

    async def _simulated(self, failure: Simulated | None) -> Reply | None:
        """The local bundle's failures: a reply, or an hour of silence."""
        if failure is None:
            return None
        if failure.silent:
            await asyncio.sleep(HOUR)
        return failure.reply

    async def smtp_RCPT(self, argument: str) -> None:
        transaction = self.transaction
        assert transaction is not None
        rcpt = envelope.parse_rcpt(argument, smtputf8=transaction.mail.smtputf8)
        address = rcpt.forward_path or self._postmaster()
        if len(transaction.recipients) >= self.service.recipients_max:
            self.note_refused(transaction.mail, str(address), TOO_MANY_RECIPIENTS)
            self.answer(TOO_MANY_RECIPIENTS)
            return
        # Before we know: a hit and a miss take the same time (security SM-12).
        if self.strikes.delay_for_guessing:
            await asyncio.sleep(self.strikes.delay_for_guessing)
        refusal = self.recipient_refused(address)
        if refusal is not None:
            self.note_refused(transaction.mail, str(address), refusal)
        if refusal is not None and refusal.enhanced == "5.1.1" and self._end_if(self.strikes.unknown_recipient()):
            return
        if refusal is None and self.service.simulate_failures:
            refusal = await self._simulated(at_rcpt(address))
        if refusal is not None:
            if refusal.closes:
                self.say_goodbye(refusal)
            else:
                self.answer(refusal)
            return
        if self._take_recipient(transaction, address, rcpt):
            self.strikes.recipient_taken()
        self.answer(Reply(250, "2.1.5", "Ok"))

    def _postmaster(self) -> Address:
        """RFC 5321 §4.5.1: the bare word is ours."""
        try:
            return Address("postmaster", parse_domain(self.service.hostname))
        except BadAddress:
            return Address("postmaster", "localhost")

    @staticmethod
    def _take_recipient(transaction: Transaction, address: Address, rcpt: Rcpt) -> bool:
        """False: he is one of the recipients already."""
        if address in transaction.addresses:
            return False
        transaction.addresses.add(address)
        transaction.recipients.append(Wanted(address, rcpt.notify, rcpt.orcpt))
        return True

    def recipient_refused(self, address: Address) -> Reply | None:
        """Why mail for him is not taken here."""
        raise NotImplementedError

    async def smtp_DATA(self, argument: str) -> None:
        transaction = self.transaction
        assert transaction is not None
        if argument:
            raise BadCommand(501, "5.5.4", "DATA takes no argument")
        if transaction.body is not None:
            raise BadCommand(503, "5.5.1", "BDAT has begun; finish it or RSET")
        early = self.has_line
        body = Body(self.service.spool_folder, self.service.max_message_bytes)
        transaction.body = body
        self.write(GO_AHEAD)
        await self.read_content(body.content)
        await self._finish(transaction, body, early=early)

    async def smtp_BDAT(self, argument: str) -> None:
        chunk = envelope.parse_chunk(argument)
        transaction = self.transaction
        if transaction is None or not transaction.recipients:
            # Its octets are on their way whatever we say (RFC 3030 §2).
            await self.read_chunk(None, chunk.size, last=False)
            self._check_order("DATA", COMMANDS["DATA"].rules)
            return
        if transaction.body is None:
            transaction.body = Body(self.service.spool_folder, self.service.max_message_bytes)
        body = transaction.body
        await self.read_chunk(body.content, chunk.size, last=chunk.last)
        if chunk.last:
            await self._finish(transaction, body, early=False)
        elif body.content.overrun:
            self.say_goodbye(TOO_LARGE)
        else:
            self.answer(Reply(250, "2.0.0", f"{chunk.size} octets received"))

    async def _finish(self, transaction: Transaction, body: Body, *, early: bool) -> None:
        """The end of the content: one reply for the message, and the transaction is over."""
        try:
            if body.content.overrun and not body.content.ended:
                for wanted in transaction.recipients:
                    self.note_refused(transaction.mail, str(wanted.address), TOO_LARGE)
                self.say_goodbye(TOO_LARGE)
                return
            reply = body.refusal() or await self._taken_or_not(transaction, body, early=early)
        finally:
            self._end_transaction()
        self.service.messages.labels(self.name, "refused" if reply.refused else "accepted").inc()
        if reply.refused:
            for wanted in transaction.recipients:
                self.note_refused(transaction.mail, str(wanted.address), reply)
            self.log.info("message-refused", code=reply.code, enhanced=reply.enhanced, text=reply.text)
            self.answer(reply)
            self._end_if(self.strikes.failed_transaction())
        else:
            self.strikes.messages += 1
            self.answer(reply)

    async def _taken_or_not(self, transaction: Transaction, body: Body, *, early: bool) -> Reply:
        try:
            return await self.take(transaction, body, early=early)
        except MailError as error:
            self.log.warning("message-deferred", error=str(error), kind=type(error).__name__)
            reply = reply_for(error)
            # What is refused for good was judged, by whoever has the word for it.
            return replace(reply, reason=reason_for(error)) if reply.code < 500 else reply

    async def take(self, transaction: Transaction, body: Body, *, early: bool) -> Reply:
        """Have the message stored, durably, and say so; or say why not."""
        raise NotImplementedError
