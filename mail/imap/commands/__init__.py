"""The grammar of each command, one file a command; what it does is in `listeners/imap/commands`, same file name.

Every file has `parse(cursor, uid=False)`. The cursor stands behind the command's name; `parse` raises
`grammar.BadSyntax` for what the grammar refuses, and the caller checks that nothing is left over.
"""
