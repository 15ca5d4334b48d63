"""The Internet message format, read: header fields, addresses, encoded words, dates, MIME structure, text.

Everything here takes hostile octets: bounded, iterative, and never an exception for what a message may contain.
RFC 5322, RFC 2045-2047, RFC 2231.
"""
