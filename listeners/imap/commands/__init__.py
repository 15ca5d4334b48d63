"""What each command does, one file a command; its grammar is in `mail/imap/commands`, same file name.

Every file has `async def run(session, command) -> Reply | None`. None is `OK <COMMAND> completed.`; a `MailError`
becomes a NO with its code (`mail.imap.responses`), a `BadSyntax` a BAD. Untagged responses go out by
`session.write()`; what changed in the selected mailbox is announced by the session itself before the tagged reply.
"""
