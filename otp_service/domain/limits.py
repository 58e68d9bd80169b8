"""What limits count by: the dimensions of a start, and the words in which a refusal is told. Pure rules."""

from __future__ import annotations

import ipaddress
from functools import cache

from otp_service.domain.networks import Address, address
from otp_service.domain.orders import Order
from otp_service.domain.phone import Phone

PHONE, CLIENT_IP, CLIENT_NETWORK = "phone", "client_ip", "client_network"
APPLICATION, COUNTRY, NUMBER_BLOCK = "application", "country", "number_block"
DIMENSIONS = (PHONE, CLIENT_IP, CLIENT_NETWORK, APPLICATION, COUNTRY, NUMBER_BLOCK)
"""Known of every start that names them; any other word is a caller's own (`limits` of the request)."""
IPV4_NETWORK, IPV6_NETWORK = 24, 64
"""Prefix lengths. One household or one server of a cloud has a whole IPv6 /64."""

SENDS, UNVERIFIED_SENDS, WRONG_CODES = "sends", "unverified_sends", "wrong_codes"


def dimensions(application: str, to: Phone, order: Order) -> dict[str, str]:
    """What is known of a start, in clear. A caller's own word never hides one of ours."""
    known = {PHONE: to.e164, APPLICATION: application, COUNTRY: to.region, NUMBER_BLOCK: to.block}
    found = address(order.client_ip)
    if found:
        known |= {CLIENT_IP: str(found), CLIENT_NETWORK: network(found)}
    return {**order.limits, **known}


def network(address: Address) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    length = IPV4_NETWORK if address.version == 4 else IPV6_NETWORK
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def on_list(entries: tuple[str, ...], e164: str, client_ip: str) -> bool:
    """Whether a list of beginnings of phones and of networks holds the phone or the address."""
    if not entries:
        return False
    if any(entry.startswith("+") and e164.startswith(entry) for entry in entries):
        return True
    found = address(client_ip)
    return found is not None and any(found in one for one in _networks(entries))


@cache
def _networks(entries: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(entry) for entry in entries if not entry.startswith("+")]


def sentence(per: tuple[str, ...], quota: int, window_seconds: int, what: str) -> str:
    """For a limit whose settings say nothing better."""
    by = " and ".join(word.replace("_", " ") for word in per)
    return f"At most {quota} {what.replace('_', ' ')} per {by} in {_duration(window_seconds)}."


def _duration(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {name}{'s' * (count > 1)}"
    return f"{seconds} second{'s' * (seconds > 1)}"
