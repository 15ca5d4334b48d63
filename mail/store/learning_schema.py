"""The tables of what was learnt: a part of `mail.store.schema`, which has their rules and gives them out."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    event,
    text,
)

metadata = MetaData()

# How a message came to an account, and what was learnt of it as what (mail.store.learning). One row a blob and account,
# while a copy is there; APPENDed messages get one when they are first classified.
arrival = Table(
    "arrival",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("blob_id", Text, primary_key=True),
    Column("mailbox", Text, nullable=False, doc="where it was meant to go: whose history it belongs to"),
    Column("received_at", BigInteger, nullable=False),
    Column("keys", LargeBinary, nullable=False, default=b"", doc="history keys, 8 octets each, big-endian, signed"),
    Column("localpart", BigInteger, nullable=False, default=0, doc="hash of the author's localpart"),
    Column("rejected", Boolean, nullable=False, default=False, doc="refused, and kept in Rejects or by a ruleset"),
    Column("ham", Integer, nullable=False, default=0, doc="copies flagged $NotJunk and not $Junk"),
    Column("spam", Integer, nullable=False, default=0, doc="copies flagged $Junk and not $NotJunk"),
    Column("filed", SmallInteger, nullable=False, default=0, doc="in history as: 0 not, 1 ham, 2 spam"),
    Column("trained", SmallInteger, nullable=False, default=0, doc="its words are counted as: 0 not, 1 ham, 2 spam"),
    Column("pending", Boolean, nullable=False, default=False, doc="`filed` or `trained` is not what ham and spam say"),
    Column(
        "retrained", SmallInteger, nullable=False, default=0, doc="as `trained`, in the counts that are being made anew"
    ),
    sqlite_with_rowid=False,
)


def only_where(condition: str, index: Index) -> None:
    """Let an index have only the rows of its table for which an SQL condition holds."""

    def say(_table: Table, connection: Connection, **_rest: object) -> None:
        # Said of the index itself for both, it would load the other database's dialect: 2 MiB in every process.
        index.dialect_kwargs[f"{connection.dialect.name}_where"] = text(condition)

    event.listen(index.table, "before_create", say)


only_where("pending", Index("arrival_pending", *arrival.primary_key))

# Classified messages under each of their keys, the newest 100 of a key (mail.store.history).
history = Table(
    "history",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("arrival", BigInteger, primary_key=True, autoincrement=False, doc="the first 64 bits of the blob's id"),
    Column("junk", Boolean, nullable=False),
    Column("localpart", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Whom the account wrote to: addresses, domains, organizational domains, hashed. Filled by what is put into Sent.
sent_to = Table(
    "sent_to",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, doc="the last time"),
    sqlite_with_rowid=False,
)

# How many messages of each class have a word. Counts that are being made anew stand under the account's number with a
# minus sign (mail.store.retrain).
junk_word = Table(
    "junk_word",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("word", BigInteger, primary_key=True, autoincrement=False, doc="hash, mail.junk.words"),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    sqlite_with_rowid=False,
)

junk_total = Table(
    "junk_total",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hams", BigInteger, nullable=False, default=0),
    Column("spams", BigInteger, nullable=False, default=0),
)
