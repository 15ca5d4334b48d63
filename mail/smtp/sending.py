"""One message over a connection of ours: envelope, content, and a reply for each recipient.

    MAIL, RCPT…, DATA (pipelined where the server does) -> content -> [before_final_dot] -> final dot -> replies
    MAIL, RCPT…       (where it offers CHUNKING)  -> BDAT… -> [before_final_dot] -> BDAT LAST -> replies    RFC 3030

1. A break of the connection is an answer too: a temporary one, for each recipient the server had not refused already.
   Only after the final dot nobody knows whether the message was taken; `Sent.unknown` says so.
2. Between the first octet of content and the reply to the final dot the connection is good for nothing else: whatever
   goes wrong there closes it, or the rest would be read as content.
3. Nothing but a 2xx to the final dot, or to the last chunk in its place, means delivered.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from mail.smtp import xtext
from mail.smtp.client import SmtpClient, command_line
from mail.smtp.outgoing import FINAL_DOT, UnsendableContent, checked, dot_stuffed
from mail.smtp.reply_reader import Reply, local_reply
from mail.smtp.wire import ConversationFailed

BeforeFinalDot = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Recipient:
    """`notify` and `orcpt` as RFC 3461 has them, the address of the latter decoded."""

    address: str
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`smtputf8`: an address or the header needs it, so that a server without it cannot have the message.
    `require_tls`: nor may one that does not promise to hand it on by TLS alone (RFC 8689).
    """

    mail_from: str
    recipients: tuple[Recipient, ...]
    size: int
    eightbit: bool = False
    smtputf8: bool = False
    envid: str = ""
    ret: str = ""
    require_tls: bool = False


@dataclass(slots=True)
class Sent:
    """`replies`: one for each recipient, in order, that decides it alone. `too_many`: the places of those the server
    would take in another transaction.
    """

    replies: list[Reply] = field(default_factory=list)
    too_many: list[int] = field(default_factory=list)
    unknown: bool = False


async def send(
    client: SmtpClient, envelope: Envelope, pieces: Iterator[bytes], before_final_dot: BeforeFinalDot
) -> Sent:
    """One transaction. `before_final_dot` is awaited when all but the final dot or chunk is out (security §3.6); it may
    raise ConversationFailed, and then that is not sent. OSError when the content cannot be read.
    """
    refused = unsendable(client, envelope)
    if refused is not None:
        return Sent([refused] * len(envelope.recipients))
    if "CHUNKING" in client.extensions:
        return await _send_in_chunks(client, envelope, pieces, before_final_dot)
    mail, rcpts, data = await _begin(client, envelope)
    sent = Sent(rcpts if mail.positive else [mail] * len(rcpts))
    taken = [place for place, reply in enumerate(sent.replies) if reply.positive]
    sent.too_many = _too_many(sent.replies)
    if data.code == 354:
        # A server that pipelines may say 354 though it took nobody; then the lone dot ends it (RFC 2920 §3.1).
        content = _content(client, pieces if taken else iter(()), before_final_dot, sent)
        final = await _judged(client, content, sent)
        client.messages += 1
    else:
        final = data if not data.positive else local_reply(451, "4.5.0", f"{data.code} is no answer to DATA")
        await _reset(client)
    for place in taken:
        sent.replies[place] = final
    return sent


async def _send_in_chunks(
    client: SmtpClient, envelope: Envelope, pieces: Iterator[bytes], before_last: BeforeFinalDot
) -> Sent:
    mail, *rcpts = await _replies(client, [_mail(client, envelope), *_rcpts(client, envelope)])
    sent = Sent(rcpts if mail.positive else [mail] * len(rcpts))
    taken = [place for place, reply in enumerate(sent.replies) if reply.positive]
    sent.too_many = _too_many(sent.replies)
    if not taken:
        await _reset(client)
        return sent
    final = await _judged(client, _chunks(client, pieces, before_last, sent), sent)
    client.messages += 1
    for place in taken:
        sent.replies[place] = final
    return sent


def unsendable(client: SmtpClient, envelope: Envelope) -> Reply | None:
    """Why this server cannot take the message at all."""
    limit = client.extensions.get("SIZE", "")
    if limit.isascii() and limit.isdigit() and 0 < int(limit[:18]) < envelope.size:
        return local_reply(552, "5.3.4", f"message of {envelope.size} octets is over the server's limit of {limit}")
    if _needs_smtputf8(envelope) and "SMTPUTF8" not in client.extensions:
        return local_reply(553, "5.6.7", "the server does not take internationalized mail (SMTPUTF8)")
    # A notification goes its way all the same (RFC 8689 §5).
    if envelope.require_tls and envelope.mail_from and not _promises_tls(client):
        return local_reply(554, "5.7.30", "the server does not offer REQUIRETLS, which the sender demands")
    return None


def _needs_smtputf8(envelope: Envelope) -> bool:
    return envelope.smtputf8 or not _is_ascii(envelope)


def _promises_tls(client: SmtpClient) -> bool:
    return bool(client.tls) and "REQUIRETLS" in client.extensions


def _is_ascii(envelope: Envelope) -> bool:
    return envelope.mail_from.isascii() and all(one.address.isascii() for one in envelope.recipients)


async def _begin(client: SmtpClient, envelope: Envelope) -> tuple[Reply, list[Reply], Reply]:
    """MAIL, RCPT and DATA; one write and then all replies where the server pipelines (RFC 2920)."""
    commands = [_mail(client, envelope), *_rcpts(client, envelope), "DATA"]
    replies = await _replies(client, commands)
    return replies[0], replies[1:-1], replies[-1]


async def _replies(client: SmtpClient, commands: list[str]) -> list[Reply]:
    """One for each."""
    if "PIPELINING" in client.extensions:
        return await _pipelined(client, commands)
    return await _one_by_one(client, commands)


async def _pipelined(client: SmtpClient, commands: list[str]) -> list[Reply]:
    wire, timers = client.wire, client.timers
    replies: list[Reply] = []
    try:
        wire.expect_nothing()
        await wire.write(b"".join(map(command_line, commands)), timers.command)
        for place in range(len(commands)):
            last = place == len(commands) - 1
            replies.append(await wire.reply(timers.data_start if last else timers.command))
            if replies[-1].code == 421:
                break
    except ConversationFailed as error:
        replies.append(error.reply)
    return _filled(client, replies, len(commands))


async def _one_by_one(client: SmtpClient, commands: list[str]) -> list[Reply]:
    replies: list[Reply] = []
    try:
        for command in commands:
            if command == "DATA" and not any(reply.positive for reply in replies[1:]):
                replies.append(local_reply(503, "5.5.1", "no recipient was taken"))
                break
            replies.append(await client.command(command, client.timers.data_start if command == "DATA" else None))
            if replies[-1].code == 421 or not replies[0].positive:
                break
    except ConversationFailed as error:
        replies.append(error.reply)
    return _filled(client, replies, len(commands))


def _filled(client: SmtpClient, replies: list[Reply], wanted: int) -> list[Reply]:
    """With the last reply standing for those that were not had. After a 421 the server is gone (RFC 5321 §3.8)."""
    if replies[-1].code == 421:
        client.close()
    return replies + [replies[-1]] * (wanted - len(replies))


def _mail(client: SmtpClient, envelope: Envelope) -> str:
    parts = [f"MAIL FROM:<{envelope.mail_from}>"]
    if "SIZE" in client.extensions:
        parts.append(f"SIZE={envelope.size}")
    if envelope.eightbit and "8BITMIME" in client.extensions:
        parts.append("BODY=8BITMIME")
    if _needs_smtputf8(envelope):
        parts.append("SMTPUTF8")
    if envelope.require_tls and _promises_tls(client):
        parts.append("REQUIRETLS")
    if "DSN" in client.extensions:
        if envelope.ret:
            parts.append(f"RET={envelope.ret}")
        if envelope.envid:
            parts.append(f"ENVID={xtext.encode(envelope.envid)}")
    return " ".join(parts)


def _rcpts(client: SmtpClient, envelope: Envelope) -> list[str]:
    utf8 = _needs_smtputf8(envelope)
    return [_rcpt(client, one, utf8) for one in envelope.recipients]


def _rcpt(client: SmtpClient, recipient: Recipient, utf8: bool) -> str:
    parts = [f"RCPT TO:<{recipient.address}>"]
    if "DSN" in client.extensions:
        if recipient.notify:
            parts.append(f"NOTIFY={recipient.notify}")
        if recipient.orcpt:
            kind, _, address = recipient.orcpt.partition(";")
            parts.append(f"ORCPT={kind};{_unitext(address, utf8) if kind == 'utf-8' else xtext.encode(address)}")
    return " ".join(parts)


def _unitext(address: str, utf8: bool) -> str:
    """An internationalized original recipient, in ASCII where the transaction is (RFC 6533 §3). What came from a client
    has its transfer form already, which stays; of one of our own nothing may end the parameter.
    """

    def plain(one: str) -> bool:
        return "!" <= one <= "~" if one.isascii() else utf8

    return "".join(one if plain(one) and one not in "+=" else f"\\x{{{ord(one):X}}}" for one in address)


def _too_many(replies: list[Reply]) -> list[int]:
    """452 or 552 after one was taken: the rest belongs in another transaction (RFC 5321 §4.5.3.1.10)."""
    places: list[int] = []
    taken = False
    for place, reply in enumerate(replies):
        taken = taken or reply.positive
        if taken and reply.code in (452, 552) and reply.enhanced in ("", "4.5.3", "5.5.3"):
            places.append(place)
    return places


async def _reset(client: SmtpClient) -> None:
    """Leave the transaction that DATA did not begin. Whether that works decides nothing but the connection."""
    if client.wire.failure is None:
        try:
            await client.command("RSET")
        except ConversationFailed:
            client.close()


async def _content(client: SmtpClient, pieces: Iterator[bytes], before_final_dot: BeforeFinalDot, sent: Sent) -> Reply:
    """The content and the final dot; the reply that decides for all who were taken."""
    wire, timers = client.wire, client.timers
    for piece in dot_stuffed(pieces):
        await wire.write(piece, timers.data_block)
    await before_final_dot()
    if wire.replies:
        # Said before the message was whole: a refusal stands, and nothing else can be an answer to it.
        client.close()
        return _refusal(wire.replies.popleft(), "before the message was whole")
    return await _last(client, FINAL_DOT, sent)


async def _chunks(client: SmtpClient, pieces: Iterator[bytes], before_last: BeforeFinalDot, sent: Sent) -> Reply:
    """The content in chunks; the reply that decides for all who were taken. RFC 3030 §2."""
    wire, timers = client.wire, client.timers
    held = b""
    for piece in checked(pieces):
        if held:
            wire.expect_nothing()
            await wire.write(b"BDAT %d\r\n%b" % (len(held), held), timers.data_block)
            reply = await wire.reply(timers.data_block)
            if not reply.positive:
                await _reset(client)
                return _refusal(reply, "is no answer to BDAT")
        held = piece
    await before_last()
    wire.expect_nothing()
    return await _last(client, b"BDAT %d LAST\r\n%b" % (len(held), held), sent)


async def _last(client: SmtpClient, octets: bytes, sent: Sent) -> Reply:
    """What makes the message whole, and its reply: until that comes nobody knows whether it was taken."""
    sent.unknown = True
    await client.wire.write(octets, client.timers.data_block)
    reply = await client.wire.reply(client.timers.data_end)
    sent.unknown = False
    if reply.code == 421:
        client.close()
    return reply


def _refusal(reply: Reply, otherwise: str) -> Reply:
    """The reply, where it is a refusal; it is nothing else that could be understood."""
    return reply if reply.code >= 400 else local_reply(451, "4.5.0", f"{reply.code} {otherwise}")


async def _judged(client: SmtpClient, sending: Awaitable[Reply], sent: Sent) -> Reply:
    """The reply, or what stands for it where there is none; then the connection is of no more use."""
    try:
        return await sending
    except UnsendableContent as error:
        client.close()
        return local_reply(554, "5.6.0", str(error))
    except ConversationFailed as error:
        client.close()
        return _broken(error, sent.unknown)
    except BaseException:
        client.close()
        raise


def _broken(error: ConversationFailed, unknown: bool) -> Reply:
    if not unknown:
        return error.reply
    return local_reply(451, "4.4.2", f"{error}; this was after the final dot, so the message may have been taken")
