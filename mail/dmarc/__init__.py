"""DMARC: records, policy discovery, alignment and evaluation. RFC 9989, RFC 7489."""
