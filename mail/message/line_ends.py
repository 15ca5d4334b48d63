"""Line ends: what everything here reads has CRLF (RFC 5322 §2.1)."""


def with_crlf(octets: bytes) -> bytes:
    """The octets with each bare LF made CRLF; a bare CR stays."""
    if octets.count(b"\n") == octets.count(b"\r\n"):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
