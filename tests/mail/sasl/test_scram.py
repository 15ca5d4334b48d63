import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient

from mail.errors import BadCredentials
from mail.sasl import scram

SALT, ITERATIONS = b"0123456789abcdef", 4096


def test_a_client_nobody_here_wrote_proves_its_password_and_checks_ours() -> None:
    stored, server = scram.keys("pencil ü", SALT, ITERATIONS)
    client = ScramClient(["SCRAM-SHA-256"], "user", "pencil ü")
    first = scram.read_first(client.get_client_first())
    challenge = scram.answer_first(first, SALT, ITERATIONS)
    client.set_server_first(challenge)
    proof = scram.check_final(first, challenge, client.get_client_final(), stored, server)
    client.set_server_final(proof)


def test_the_example_of_rfc_7677_comes_out() -> None:
    first = scram.read_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    stored, server = scram.keys("pencil", scram._decoded("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    answer = scram.check_final(first, challenge, final, stored, server)
    assert answer == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    with pytest.raises(BadCredentials, match="proof is wrong"):
        scram.check_final(first, challenge, final.replace("p=dH", "p=dI"), stored, server)
    with pytest.raises(BadCredentials, match="nonce"):
        scram.check_final(first, challenge, final.replace("k0,p=", "k1,p="), stored, server)
    with pytest.raises(BadCredentials, match="header"):
        scram.check_final(first, challenge, final.replace("c=biws", "c=eSws"), stored, server)
    with pytest.raises(BadCredentials, match="length"):
        scram.check_final(first, challenge, final[: final.index("p=")] + "p=AAAA", stored, server)


def test_an_authorization_identity_and_escaped_names_are_read() -> None:
    first = scram.read_first("y,a=a=2Cb,n=x=3Dy@z,r=abc,q=ext")
    assert (first.authzid, first.name, first.header, first.bare) == (
        "a,b",
        "x=y@z",
        "y,a=a=2Cb,",
        "n=x=3Dy@z,r=abc,q=ext",
    )


@pytest.mark.parametrize(
    "message",
    [
        "",
        "n=user,r=abc",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "n,,n=us=er,r=abc",
        "n,,n=us\0er,r=abc",
        "n,,m=new,n=user,r=abc",
        "p=tls-unique,,n=user,r=abc",
        "z,,n=user,r=abc",
        "n,,n=user,r=a\u00fc",
        "n,,n=" + "u" * 3000 + ",r=abc",
    ],
)
def test_a_first_message_that_is_none_is_refused(message: str) -> None:
    with pytest.raises(BadCredentials):
        scram.read_first(message)


@given(st.text(), st.text())
def test_whatever_comes_is_refused_in_order(first: str, final: str) -> None:
    with pytest.raises(BadCredentials):
        scram.read_first("p=x,," + first)
    with pytest.raises(BadCredentials):
        scram.check_final(scram.First("u", "", "n,,", "n=u,r=a", "a"), "r=ab,s=,i=1", final, b"k" * 32, b"k" * 32)


def test_every_challenge_is_another_one() -> None:
    first = scram.read_first("n,,n=user,r=abc")
    assert len({scram.answer_first(first, SALT, 1) for _ in range(100)}) == 100
