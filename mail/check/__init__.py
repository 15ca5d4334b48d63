"""Checks by hand: what a message or a domain would get, offline or live, step by step."""
