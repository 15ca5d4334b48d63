"""SMTP, both ends: grammar, content rules, replies and limits, with no socket in sight. RFC 5321."""
