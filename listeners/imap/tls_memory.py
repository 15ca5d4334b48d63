"""What an idle TLS connection costs in asyncio: 282 KiB, because it keeps a buffer of 256 KiB for what may come.

The size is an attribute of a class that asyncio does not promise to keep. Where it is gone we do without: connections
cost more then, and the test that measures them says so. Security §0.11.
"""

from asyncio import sslproto

# One TLS record is at most 16 KiB: RFC 8446 §5.1.
BUFFER = 32 * 1024


def lower_tls_buffers() -> bool:
    """For all TLS connections this process makes from now on. False: this Python has no such attribute."""
    protocol = getattr(sslproto, "SSLProtocol", None)
    if not isinstance(getattr(protocol, "max_size", None), int):
        return False
    protocol.max_size = BUFFER  # type: ignore[union-attr]
    return True
