"""The auth process: the only one that opens auth.db. Passwords, tickets, failure counts, web sessions."""
