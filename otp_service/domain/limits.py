"""What limits count by: the dimensions of a start, and the words in which a refusal is told. Pure rules."""

from __future__ import annotations

from functools import cache

from otp_service.domain.networks import Address, Network, address
from otp_service.domain.recipients import Mailbox, Recipient
from otp_service.domain.requests import StartRequest
from otp_service.domain.value import Hidden, Value

PHONE, CLIENT_IP, CLIENT_NETWORK = "phone", "client_ip", "client_network"
CLIENT_PROVIDER, CLIENT_DEVICE, CLIENT_JA4, CLIENT_TRUSTED = (
    "client_provider",
    "client_device",
    "client_ja4",
    "client_trusted",
)
APPLICATION, COUNTRY, NUMBER_BLOCK, ADDRESS_DOMAIN = "application", "country", "number_block", "address_domain"
OF_CLIENT = (CLIENT_IP, CLIENT_NETWORK, CLIENT_PROVIDER, CLIENT_DEVICE, CLIENT_JA4, CLIENT_TRUSTED)
DIMENSIONS = (PHONE, APPLICATION, COUNTRY, NUMBER_BLOCK, ADDRESS_DOMAIN, *OF_CLIENT)
"""Known of every start that names them; any other word is a caller's own (`limits` of the request)."""
IPV4_NETWORK, IPV6_NETWORK = 24, 64
"""Prefix lengths. One household or one server of a cloud has a whole IPv6 /64."""
IPV4_PROVIDER, IPV6_PROVIDER = 16, 32

SENDS, UNVERIFIED_SENDS, WRONG_CODES = "sends", "unverified_sends", "wrong_codes"
DELIVERIES = "deliveries"
"""Messages of codes that the caller made: of those nobody hears, as a rule, whether they were entered."""
INBOUND_STARTS = "inbound_starts"
"""Verifications by which nothing was sent, since the person sends the code: no message, and so none of the others."""


def dimensions(application: str, to: Recipient, order: StartRequest) -> dict[str, str]:
    """What is known of a start, in clear. A caller's own word never hides one of ours."""
    known = {PHONE: to.counted, APPLICATION: application}
    known |= {ADDRESS_DOMAIN: to.domain} if isinstance(to, Mailbox) else {COUNTRY: to.region, NUMBER_BLOCK: to.block}
    found = address(order.client_ip)
    if found:
        known |= {CLIENT_IP: str(found), CLIENT_NETWORK: network(found), CLIENT_PROVIDER: provider(found)}
    told = {CLIENT_DEVICE: order.client_device, CLIENT_JA4: order.client_ja4, CLIENT_TRUSTED: order.client_trusted}
    known |= {word: value for word, value in told.items() if value}
    return {**order.limits, **known}


def network(address: Address) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    return _around(address, IPV4_NETWORK, IPV6_NETWORK)


def provider(address: Address) -> str:
    """The /16 of an IPv4 address, the /32 of an IPv6 one: about what one provider has in one place."""
    return _around(address, IPV4_PROVIDER, IPV6_PROVIDER)


def _around(address: Address, of_v4: int, of_v6: int) -> str:
    length = of_v4 if address.version == 4 else of_v6
    host_bits = address.max_prefixlen - length
    return f"{type(address)(int(address) >> host_bits << host_bits)}/{length}"


class ListEntry(Value):
    """What an operator put on a list of the pumping guard. list: allow or block. at: milliseconds."""

    id: str
    list: str
    value: Hidden[str]
    by: str
    at: int


def on_list(entries: tuple[str, ...], to: str, client_ip: str) -> bool:
    """Whether a list of beginnings of phones, of `@domain` and of networks holds the recipient or the client."""
    if not entries:
        return False
    if any(to.startswith(entry) if entry[0] == "+" else entry[0] == "@" and to.endswith(entry) for entry in entries):
        return True
    found = address(client_ip)
    return found is not None and any(found in one for one in _networks(entries))


@cache
def _networks(entries: tuple[str, ...]) -> list[Network]:
    return [Network.parse(entry) for entry in entries if entry[0] not in "+@"]


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
