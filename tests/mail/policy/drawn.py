"""Facts drawn at random, for the properties that hold for all of them."""

from hypothesis import strategies as st

from mail.policy.facts import Key, MessageFacts, Past, RecipientFacts, Signature, Word
from mail.policy.reputation import LIMITS

TEXT = st.text(max_size=12)
DOMAIN = st.sampled_from(["", "x.example", "mail.x.example", "y.example", "ours.example"])
ADDRESS = st.sampled_from(["", "a@x.example", "B@mail.x.example", "ü@y.example", "no address", "@", '"a b"@y.example'])
RESULT = st.sampled_from(["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "\r\nX: y"])
AT = st.integers(0, 2_000_000_000_000)
FRACTION = st.floats(0, 1)
PAST = st.builds(Past, AT, st.booleans(), TEXT)
KEY = st.builds(Key, st.sampled_from(sorted(LIMITS)), st.sampled_from(["x.example", "a@x.example", "192.0.2.1/32", ""]))
WORDS = st.lists(st.builds(Word, TEXT, FRACTION), max_size=4).map(tuple)


def messages() -> st.SearchStrategy[MessageFacts]:
    return st.builds(
        MessageFacts,
        ip=st.sampled_from(["192.0.2.1", "2001:db8::1", "nonsense", ""]),
        ehlo_name=TEXT,
        tls=st.booleans(),
        iprev=RESULT,
        spf=RESULT,
        spf_identity=st.sampled_from(["mailfrom", "helo"]),
        spf_domain=DOMAIN,
        mail_from=ADDRESS,
        dkim=st.lists(st.builds(Signature, RESULT, DOMAIN, st.booleans()), max_size=3).map(tuple),
        dmarc=RESULT,
        dmarc_domain=DOMAIN,
        dmarc_policy=st.sampled_from(["", "none", "quarantine", "reject"]),
        dmarc_sampled_out=st.booleans(),
        dmarc_wants_reports=st.booleans(),
        author=ADDRESS,
        author_defect=st.sampled_from(["", "", "", "two From fields"]),
        from_domain=DOMAIN,
        org_domain=DOMAIN,
        from_validated=st.booleans(),
        dnsbl=st.lists(DOMAIN, max_size=2).map(tuple),
        subject=TEXT,
        to_and_cc=st.lists(ADDRESS, max_size=3).map(tuple),
        received_count=st.integers(0, 100),
        size=st.integers(0, 1 << 40),
    )


def recipients() -> st.SearchStrategy[RecipientFacts]:
    return st.builds(
        RecipientFacts,
        rcpt_to=ADDRESS,
        mailbox=st.sampled_from(["Inbox", "INBOX", "DMARC"]),
        rate_exceeded=st.sampled_from(["", "", "", "too many"]),
        over_quota=st.booleans(),
        ruleset_id=st.integers(0, 3),
        ruleset_mailbox=st.sampled_from(["", "Lists", "Inbox"]),
        is_forward=st.booleans(),
        forwarder_domain=DOMAIN,
        list_allow_domain=DOMAIN,
        accept_rejects_to=st.sampled_from(["", "", "Suspicious"]),
        auth_required_text=st.sampled_from(["", "", "write\r\nus a letter"]),
        report_address=st.sampled_from(["", "dmarc", "tls"]),
        report_valid=st.booleans(),
        introbox=st.sampled_from(["", "Introbox"]),
        rejects_mailbox=st.sampled_from(["", "Rejects"]),
        no_first_time_delay=st.booleans(),
        in_to_or_cc=st.booleans(),
        history=st.none() | st.dictionaries(KEY, st.lists(PAST, max_size=4).map(tuple), max_size=4),
        org_domain_known=st.booleans(),
        subject_pass=st.sampled_from(["", "", "valid", "error"]),
        subject_pass_token=st.sampled_from(["", "(pass:AAAAAAAAAAAAAAAAAAAAAA)"]),
        has_junk_filter=st.booleans(),
        junk_filter_broken=st.booleans(),
        probability=st.none() | FRACTION,
        significant=st.booleans(),
        ham_words=WORDS,
        spam_words=WORDS,
        threshold=FRACTION,
        noise=st.floats(-0.05, 0.05),
    )
