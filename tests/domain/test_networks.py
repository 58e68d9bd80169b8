"""Networks as operators write them hold the addresses that they mean."""

from __future__ import annotations

import pytest

from otp_service.domain.networks import Network, address


@pytest.mark.parametrize(
    ("written", "kept", "inside", "outside"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.2.3", "11.0.0.1"),  # as a log of a socket of both families has it
        ("::ffff:192.0.2.7", "192.0.2.7/32", "::ffff:192.0.2.7", "192.0.2.8"),
        ("::ffff:0:0/96", "0.0.0.0/0", "192.0.2.7", "2001:db8::1"),
        ("::/0", "::/0", "2001:db8::1", "192.0.2.7"),
        ("10.0.0.0/8", "10.0.0.0/8", "::ffff:10.1.2.3", "11.0.0.1"),
    ],
)
def test_ipv4_inside_ipv6_is_the_ipv4_network(written: str, kept: str, inside: str, outside: str) -> None:
    network = Network.parse(written)
    within, without = address(inside), address(outside)
    assert within
    assert without
    assert str(network) == kept
    assert within in network
    assert without not in network
