"""The domain: what mail is and what happens to it.

Knows no web framework, no job queue and no socket it did not ask for.
"""
