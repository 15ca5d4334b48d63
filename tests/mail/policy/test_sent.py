from hypothesis import given
from hypothesis import strategies as st

from mail.policy.keys import key
from mail.policy.sent import keys


def test_an_address_is_filed_as_itself_its_domain_and_its_organization():
    found = keys([("Ann", "Mail.Example.CO.UK")])
    assert found == (
        key("to", "ann@mail.example.co.uk"),
        key("to-domain", "mail.example.co.uk"),
        key("to-org", "example.co.uk"),
    )


def test_the_same_address_counts_once_and_a_wrong_one_not_at_all():
    listed = [("ann", "a.example"), ("ANN", "A.example"), ("", "b.example"), ("x", "no domain"), ("x", "")]
    assert len(keys(listed)) == 3


def test_names_in_other_scripts_are_filed_as_a_labels():
    (address, domain, _) = keys([("dörte", "bücher.example")])
    assert (address, domain) == (key("to", "dörte@xn--bcher-kva.example"), key("to-domain", "xn--bcher-kva.example"))


def test_no_more_than_a_hundred_addresses_are_filed():
    assert len(keys([(str(number), "a.example") for number in range(500)])) == 102


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_whatever_stands_in_a_header_raises_nothing(listed: list[tuple[str, str]]):
    keys(listed)
