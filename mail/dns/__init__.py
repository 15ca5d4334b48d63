"""Asking the DNS: the contract, the only module that really asks, and the fake that ships with it."""
