import ssl
from pathlib import Path

import pytest
from cryptography import x509

from app.local import certificates


@pytest.fixture
def made(tmp_path: Path) -> Path:
    certificates.make(tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "server.key", "host.example")
    return tmp_path


@pytest.mark.parametrize("name", ["localhost", "host.example", "127.0.0.1", "::1"])
def test_a_client_that_knows_the_authority_trusts_the_server(made: Path, name: str):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / "server.pem", made / "server.key")
    client = ssl.create_default_context(cafile=str(made / "ca.pem"))
    # Strict: what OpenSSL and other clients will ask for by default.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert waiting == []


def test_keys_are_for_their_owner_only(made: Path):
    assert (made / "server.key").stat().st_mode & 0o777 == 0o600


def test_the_authority_signs_servers_only(made: Path):
    ca = x509.load_pem_x509_certificate((made / "ca.pem").read_bytes())
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert basic.ca and basic.path_length == 0


def test_nothing_is_overwritten(made: Path):
    with pytest.raises(FileExistsError):
        certificates.make(made / "ca.pem", made / "server.pem", made / "server.key", "host.example")
