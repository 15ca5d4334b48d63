import pytest

from mail.deliver.plan import Login, Routes, address_order, host_and_port, plan


def test_mail_goes_to_the_mail_exchangers_of_its_domain():
    chosen = plan("them.test", Routes())
    assert (chosen.name, chosen.fixed, chosen.local, chosen.private_allowed) == ("them.test", None, False, False)
    assert chosen.why == "the mail exchangers of them.test"


def test_mail_for_a_domain_of_ours_stays_here():
    chosen = plan("us.test", Routes(smarthost=("relay.test", 587)), ours=True)
    assert chosen.local and "us.test" in chosen.why


def test_a_smarthost_takes_everything_else():
    chosen = plan("them.test", Routes(smarthost=("relay.test", 587)))
    assert chosen.fixed == ("relay.test", 587) and chosen.name == plan("others.test", Routes(smarthost=("r", 1))).name
    assert not chosen.tls_required and "smarthost" in chosen.why and "relay.test:587" in chosen.why


def test_a_login_is_never_given_without_tls():
    assert plan("them.test", Routes(smarthost=("relay.test", 587), smarthost_login=Login("me", "secret"))).tls_required


def test_in_a_local_bundle_everything_goes_back_to_it():
    routes = Routes(loopback=("127.0.0.1", 1025), smarthost=("relay.test", 587))
    for ours in (False, True):
        chosen = plan("any.test", routes, ours=ours)
        assert chosen.fixed == ("127.0.0.1", 1025) and chosen.name == "loopback" and not chosen.local


def test_the_other_family_of_addresses_is_another_destination():
    assert plan("them.test", Routes(), ipv4_first=True).name != plan("them.test", Routes()).name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", None),
        ("relay.test", ("relay.test", 25)),
        ("relay.test:587", ("relay.test", 587)),
        ("127.0.0.1:1025", ("127.0.0.1", 1025)),
        ("[::1]:1025", ("::1", 1025)),
        ("::1", ("::1", 25)),
    ],
)
def test_a_setting_names_a_host_and_a_port(text, wanted):
    assert host_and_port(text, 25) == wanted


def test_a_port_that_is_no_number_is_refused():
    with pytest.raises(ValueError):
        host_and_port("relay.test:smtp", 25)


def test_what_a_message_asks_of_tls_makes_it_another_destination():
    names = {plan("them.test", Routes(), require_tls=wanted).name for wanted in (None, True, False)}
    assert len(names) == 3 and plan("them.test", Routes(), require_tls=True).require_tls
    smarthost = Routes(smarthost=("relay.test", 587))
    assert plan("them.test", smarthost, require_tls=True).require_tls
    assert plan("them.test", smarthost, require_tls=False) == plan("them.test", smarthost)
    assert plan("them.test", Routes(loopback=("127.0.0.1", 1025)), require_tls=True).require_tls is None


@pytest.mark.parametrize(
    ("attempts", "last_code", "last_ip", "wanted"),
    [
        (1, 0, "", (False, "")),
        (2, 451, "2606:4700::1", (False, "2606:4700::1")),
        (2, 451, "1.1.1.1", (True, "1.1.1.1")),
        (2, 550, "2606:4700::1", (True, "")),
        (2, 550, "1.1.1.1", (False, "")),
        (2, 550, "", (True, "")),
        (3, 451, "2606:4700::1", (True, "")),
        (3, 451, "1.1.1.1", (False, "")),
        (9, 451, "", (False, "")),
    ],
)
def test_the_second_attempt_asks_the_same_address_and_later_ones_the_other_family(attempts, last_code, last_ip, wanted):
    """Features B09."""
    assert address_order(attempts, last_code, last_ip) == wanted


def test_an_address_that_comes_first_makes_another_destination():
    chosen = plan("them.test", Routes(), ip_first="1.1.1.1")
    assert chosen.name == "them.test (1.1.1.1 first)" and chosen.ip_first == "1.1.1.1"
