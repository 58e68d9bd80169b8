"""Which IP addresses are somebody's on the public Internet, and not this machine, its network or its cloud."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from otp_service.domain.networks import Address, Network

UNICAST = IPv6Network("2000::/3")
"""The only global unicast space that is given out (IANA "IPv6 Address Space")."""
NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in its last 32 bits; where only IPv6 is, DNS64 gives these for hosts with IPv4 only."""
NOT_PUBLIC = tuple(
    map(
        Network.parse,
        (
            "192.0.0.0/24",  # RFC 6890; Oracle Cloud's metadata are at 192.0.0.192
            "192.88.99.0/24",  # relays of 6to4, deprecated by RFC 7526
            "168.63.129.16/32",  # public by number, but the host's own agent on every machine in Azure
            "2001::/23",  # RFC 2928: Teredo and other protocols
            "2002::/16",  # 6to4: an IPv4 address in the next 32 bits, deprecated by RFC 7526
            "3fff::/20",  # RFC 9637: documentation
        ),
    )
)
"""What Python's `is_global` lets through, in some version or in all."""


def without_disguise(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped IPv6 address (`::ffff:…`) leads to; any other as it is."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_public(address: Address) -> bool:
    """Whether a connection to it leaves for the public Internet."""
    address = without_disguise(address)
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.scope_id or address not in UNICAST:
            return False
    return address.is_global and not address.is_multicast and not is_in(address, NOT_PUBLIC)


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    address = without_disguise(address)
    return any(address in network for network in networks)
