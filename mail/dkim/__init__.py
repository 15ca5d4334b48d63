"""DKIM signatures: read, verified. RFC 6376, RFC 8301, RFC 8463."""
