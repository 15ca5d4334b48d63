"""The tables of what sending learns of others' TLS: a part of `mail.store.schema`, which has their rules."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from mail.store.learning_schema import metadata

# MTA-STS policies as they were fetched (mail.store.sts_policies); without a text: that none could be had.
sts_policy = Table(
    "sts_policy",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("record_id", Text, nullable=False, default="", doc="id= of the TXT record it was fetched for"),
    Column("policy", Text, nullable=False, default="", doc="the policy file, as we read it"),
    Column("fetched_at", BigInteger, nullable=False, default=0),
    Column("expires_at", BigInteger, nullable=False, default=0),
    Column("refresh_at", BigInteger, nullable=False, default=0, index=True),
    Column("used_at", BigInteger, nullable=False, doc="by a delivery, to the day"),
    Column("failed_at", BigInteger, nullable=False, default=0, doc="the last fetch, when it failed"),
    Column("failure", Text, nullable=False, default="", doc="result type and reason of that failure"),
)

# Sessions with other hosts by what TLS came to, for the reports to their domains (mail.store.tls_results, RFC 8460).
tls_result = Table(
    "tls_result",
    metadata,
    Column("key", Text, primary_key=True, doc="digest of all that is not a count"),
    Column("day", Integer, nullable=False, doc="yyyymmdd, UTC"),
    Column("policy_domain", Text, nullable=False),
    Column("recipient_domain", Text, nullable=False),
    Column("is_host", Boolean, nullable=False, doc="the policy domain is a mail exchanger's"),
    Column("policy_type", Text, nullable=False, doc="sts, tlsa or no-policy-found"),
    Column("policy", Text, nullable=False, doc="JSON: the policy's lines or records, and its patterns of hosts"),
    Column("result_type", Text, nullable=False, doc="RFC 8460 §4.3; empty: success"),
    Column("reason", Text, nullable=False, doc="failure-reason-code"),
    Column("mx_host", Text, nullable=False, doc="receiving-mx-hostname"),
    Column("receiving_ip", Text, nullable=False),
    Column("sending_ip", Text, nullable=False),
    Column("sessions", BigInteger, nullable=False, doc="0: told of, but no session failed by it"),
    Index("tls_result_day", "day", "policy_domain"),
)
