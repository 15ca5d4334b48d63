"""The IMAP listener: ports 143 and 993. The grammar is in `mail/imap`, what a command does in `commands/`."""
