"""Networks as operators write them (CIDR, RFC 4632), and the addresses in them."""

from __future__ import annotations

import contextlib
import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Network:
    """`10.0.0.0/8`, `2001:db8::/32`, or a single address. No dataclass, so that msgspec leaves its reading to us."""

    __slots__ = ("range",)

    def __init__(self, found: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
        self.range = found

    @classmethod
    def parse(cls, text: str) -> Network:
        """Raises ValueError with a sentence, also where bits after the prefix are set: `10.0.0.1/8` says two things.

        IPv4 inside IPv6 (`::ffff:10.0.0.0/104`) is the IPv4 network, as it is of addresses.
        """
        try:
            found = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{error}; write a network as 10.0.0.0/8 or 2001:db8::/32") from None
        inner = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
        return cls(ipaddress.IPv4Network((inner, found.prefixlen - 96)) if inner and found.prefixlen >= 96 else found)

    def __contains__(self, address: Address) -> bool:
        return address in self.range

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other.range == self.range

    def __hash__(self) -> int:
        return hash(self.range)

    def __str__(self) -> str:
        return str(self.range)


def address(text: str) -> Address | None:
    """Read one address; IPv4 inside IPv6 (::ffff:192.0.2.1) is the IPv4 one. None for anything else.

    Zones of link-local addresses (`fe80::1%eth0`) are refused: they mean nothing on another machine.
    """
    if "%" in text:
        return None
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(text)
        return getattr(found, "ipv4_mapped", None) or found
    return None
