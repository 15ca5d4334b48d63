"""MTA-STS: which hosts and which TLS a domain wants its mail sent with. Values and matching, RFC 8461."""
