import pytest

from mail.errors import BadAddress, Exists, Invalid, MailboxRefused, NotFound
from mail.now import SetClock
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store


@pytest.fixture
def ann(store: Store, clock: SetClock) -> int:
    with changing(store, None, clock=clock) as changes:
        accounts.add_domain(changes.tx, "Example.ORG.", 1)
        return accounts.add_account(changes, "ann")


def add(store: Store, text: str, account_id: int) -> str:
    with store.write() as tx:
        return accounts.add_address(tx, text, account_id, 1).address


def test_addresses_are_one_in_their_canonical_form(store: Store, ann: int) -> None:
    assert add(store, "Ann@example.org", ann) == "Ann@example.org"
    for same in ("ann@EXAMPLE.org", "ANN@example.org"):
        with pytest.raises(Exists, match="Ann@example.org of account ann"):
            add(store, same, ann)
    with pytest.raises(Invalid, match="separates"):
        add(store, "ann+tag@example.org", ann)
    # NFD and NFC of one letter are one address.
    add(store, "e\u0301@example.org", ann)
    with pytest.raises(Exists):
        add(store, "\u00e9@example.org", ann)


def test_a_domain_with_addresses_stays_until_they_are_gone(store: Store, ann: int) -> None:
    add(store, "@example.org", ann)
    with pytest.raises(Invalid, match="still has 1 addresses"), store.write() as tx:
        accounts.remove_domain(tx, "example.org")
    with store.write() as tx:
        accounts.remove_address(tx, "@example.org")
        accounts.remove_domain(tx, "example.org")
        assert accounts.list_domains(tx) == accounts.list_addresses(tx) == []


def test_what_is_not_there_is_named_with_a_remedy(store: Store, ann: int) -> None:
    with store.read() as connection:
        for find, name in (
            (accounts.find_domain, "other.example"),
            (accounts.find_account, "bob"),
            (accounts.find_address, "bob@example.org"),
        ):
            with pytest.raises(NotFound, match=name) as failed:
                find(connection, name)
            assert "mailctl" in failed.value.public


@pytest.mark.parametrize("name", ["", " ann", "a/b", "a\nb", "x" * 101])
def test_an_account_name_that_cannot_be_is_refused(store: Store, clock: SetClock, name: str) -> None:
    with pytest.raises(Invalid), changing(store, None, clock=clock) as changes:
        accounts.add_account(changes, name)


def test_a_literal_is_no_domain_of_ours(store: Store) -> None:
    with pytest.raises(BadAddress), store.write() as tx:
        accounts.add_domain(tx, "[127.0.0.1]", 1)


def test_an_address_is_whole(store: Store, ann: int) -> None:
    with pytest.raises(BadAddress, match="no whole address"):
        add(store, "ann", ann)
    with pytest.raises(Invalid, match="catchall"):
        add(store, '""@example.org', ann)


def test_only_one_account_has_the_catchall_of_a_domain(store: Store, clock: SetClock, ann: int) -> None:
    with changing(store, None, clock=clock) as changes:
        bob = accounts.add_account(changes, "bob")
    assert add(store, "@example.org", ann) == "@example.org"
    with pytest.raises(Exists, match="account ann"):
        add(store, "@example.org", bob)


@pytest.mark.parametrize(
    ("there", "text", "words"),
    [
        ("admin", "adm\u0131n", "looks like admin@"),
        ("copa", "\u0441\u043e\u0440\u0430", "looks like copa@"),
        ("\u0441\u043e\u0440\u0430", "copa", "looks like"),
        ("paypal", "\u0440\u0430ypal", "several scripts"),
        ("ann", "a\u200dnn", "cannot be seen"),
    ],
)
def test_a_name_that_looks_like_another_is_refused(store: Store, ann: int, there: str, text: str, words: str) -> None:
    """Security MC-9."""
    add(store, f"{there}@example.org", ann)
    with pytest.raises(Invalid, match=words):
        add(store, f"{text}@example.org", ann)


def test_names_in_one_foreign_script_are_welcome(store: Store, ann: int) -> None:
    for name in ("jos\u00e9", "jose", "\u0430\u043d\u043d\u0430", "\u7530\u4e2d"):
        add(store, f"{name}@example.org", ann)


def test_a_domain_is_one_in_each_of_its_spellings(store: Store, ann: int) -> None:
    with store.write() as tx:
        assert accounts.add_domain(tx, "B\u00fccher.example", 1).name == "xn--bcher-kva.example"
        with pytest.raises(Exists):
            accounts.add_domain(tx, "bu\u0308cher.example", 1)
    assert add(store, "ann@b\u00fccher.example", ann) == "ann@xn--bcher-kva.example"


def test_a_new_domain_has_addresses_for_its_reports(store: Store, clock: SetClock, ann: int) -> None:
    """The domain that was there before any account got them with the first one."""
    with changing(store, None, clock=clock) as changes:
        bob = accounts.add_account(changes, "bob")
        accounts.add_domain(changes.tx, "bobs.example", 1, account_id=bob)
        accounts.add_domain(changes.tx, "other.example", 1)
    with store.read() as connection:
        found = {one.address: (one.account, one.mailbox, one.kind) for one in accounts.list_addresses(connection)}
    assert found == {
        "dmarcreports@example.org": ("ann", "DMARC", "dmarc"),
        "tlsreports@example.org": ("ann", "TLSRPT", "tls"),
        "dmarcreports@bobs.example": ("bob", "DMARC", "dmarc"),
        "tlsreports@bobs.example": ("bob", "TLSRPT", "tls"),
        "postmaster@bobs.example": ("bob", "Inbox", ""),
        "dmarcreports@other.example": ("ann", "DMARC", "dmarc"),
        "tlsreports@other.example": ("ann", "TLSRPT", "tls"),
    }
    for kept in ("tlsreports@bobs.example", "Postmaster@bobs.example"):
        with pytest.raises(Invalid, match="belongs to its domain"), store.write() as tx:
            accounts.remove_address(tx, kept)
    with store.write() as tx:
        accounts.remove_domain(tx, "bobs.example")
        assert len(accounts.list_addresses(tx)) == 4


def test_postmaster_is_one_name_where_case_matters(store: Store, ann: int) -> None:
    with store.write() as tx:
        accounts.add_domain(tx, "case.example", 1, case_sensitive=True)
    add(store, "PostMaster@case.example", ann)
    with pytest.raises(Exists):
        add(store, "postmaster@case.example", ann)
    add(store, "Ann@case.example", ann)
    add(store, "ann@case.example", ann)


def test_what_an_address_does_is_changed_alone(store: Store, clock: SetClock, ann: int) -> None:
    with changing(store, None, clock=clock) as changes:
        bob = accounts.add_account(changes, "bob")
    add(store, "old@example.org", ann)
    with store.write() as tx:
        accounts.change_address(tx, "old@example.org", mailbox="Lists/Old", smtp_error="550 no such user")
        row = accounts.change_address(tx, "OLD@example.org", auth_required="Please sign your mail", account_id=bob)
    assert (row.mailbox, row.smtp_error, row.auth_required) == (
        "Lists/Old",
        "550 no such user",
        "Please sign your mail",
    )
    assert row.account == "bob"
    for wrong in ({"smtp_error": "450 later"}, {"smtp_error": "550 a\r\nb"}, {"auth_required": "caf\u00e9"}):
        with pytest.raises(Invalid), store.write() as tx:
            accounts.change_address(tx, "old@example.org", **wrong)
    with pytest.raises(MailboxRefused), store.write() as tx:
        accounts.change_address(tx, "old@example.org", mailbox="a//b")
    with store.write() as tx:
        assert accounts.change_address(tx, "old@example.org", smtp_error="").smtp_error == ""


@pytest.mark.parametrize("separators", ["a", "++", "@", ".", " ", "é", '"', "+-_=!#$%&*/"])
def test_separators_are_signs_each_once(store: Store, separators: str) -> None:
    with pytest.raises(Invalid, match="separators"), store.write() as tx:
        accounts.add_domain(tx, "sep.example", 1, separators=separators)
