"""The client of an SPF check: its address as numbers and as macros show it.

An IPv4 address in IPv6 clothes is an IPv4 address. RFC 7208 §5.
"""

import ipaddress
from collections.abc import Iterable


class Client:
    """`kind`: the records that could name it, A or AAAA. ValueError when `ip` is not an address."""

    def __init__(self, ip: str) -> None:
        address = ipaddress.ip_address(ip.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        self.is_ipv4 = address.version == 4
        self.kind = "A" if self.is_ipv4 else "AAAA"
        self.text = str(address)
        self.reverse_name = address.reverse_pointer
        self._number = int(address)
        self._bits = address.max_prefixlen

    @property
    def dotted(self) -> str:
        """As the macro %{i}: dotted quads, or 32 nibbles between dots. RFC 7208 §7.3."""
        return self.text if self.is_ipv4 else ".".join(f"{self._number:032X}")

    def is_in(self, network: int, prefix: int) -> bool:
        """`network`: an address of its own version, of which the first bits count."""
        return (self._number ^ network) >> (self._bits - prefix) == 0

    def is_among(self, records: Iterable[str], prefix: int | None = None) -> bool:
        """Is it one of these addresses, or in the network of one that is as long as `prefix`."""
        bits = self._bits if prefix is None else prefix
        return any(self.is_in(number, bits) for number in map(self._number_of, records) if number is not None)

    def _number_of(self, record: str) -> int | None:
        """None for what is not an address of the client's kind."""
        try:
            return int((ipaddress.IPv4Address if self.is_ipv4 else ipaddress.IPv6Address)(record))
        except ValueError:
            return None
