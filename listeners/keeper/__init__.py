"""The keeper: the one process that commits arriving and submitted mail, many messages at a time."""
