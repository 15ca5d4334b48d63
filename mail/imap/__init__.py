"""IMAP4rev2 and IMAP4rev1 as octets and values: reading, grammar, responses. RFC 9051, RFC 3501.

No sockets and no store here; `listeners/imap` has those.
"""
