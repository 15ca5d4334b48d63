"""Reverse DNS of a client, checked forward (iprev). RFC 8601 §3."""
