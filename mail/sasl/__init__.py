"""Proving who one is: the SASL mechanisms we serve, and the tickets that prove it to the keeper. Pure.

RFC 4422, RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM-SHA-256).
"""
