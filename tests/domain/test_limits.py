"""What limits count by, and how they are told."""

from __future__ import annotations

import pytest

from otp_service.domain.limits import dimensions, network, sentence
from otp_service.domain.networks import address
from otp_service.domain.phone import normalise
from otp_service.domain.requests import StartRequest


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
    ],
)
def test_networks(written: str, wanted: str) -> None:
    found = address(written)
    assert found
    assert network(found) == wanted


@pytest.mark.parametrize(
    ("per", "quota", "seconds", "wanted"),
    [
        (("phone",), 5, 600, "At most 5 sends per phone in 10 minutes."),
        (("application", "client_ip"), 1, 86_400, "At most 1 sends per application and client ip in 1 day."),
        (("device",), 2, 90, "At most 2 sends per device in 90 seconds."),
    ],
)
def test_sentences(per: tuple[str, ...], quota: int, seconds: int, wanted: str) -> None:
    assert sentence(per, quota, seconds, "sends") == wanted


def test_a_caller_s_word_never_hides_one_of_ours() -> None:
    order = StartRequest("+79161234567", client_ip="203.0.113.7", limits={"phone": "x", "device": "d"})
    found = dimensions("web", normalise(order.to, "RU"), order)
    assert found == {
        "phone": "+79161234567",
        "application": "web",
        "country": "RU",
        "number_block": "+7916123",
        "client_ip": "203.0.113.7",
        "client_network": "203.0.113.0/24",
        "client_provider": "203.0.0.0/16",
        "device": "d",
    }


@pytest.mark.parametrize(
    ("written", "region", "kind"),
    [
        ("+79161234567", "RU", "mobile"),
        ("+77012345678", "KZ", "mobile"),
        ("+74951234567", "RU", "fixed_line"),
        ("+78001234567", "RU", "toll_free"),
        ("+78091234567", "RU", "premium_rate"),
        ("+12025550123", "US", "fixed_line_or_mobile"),
    ],
)
def test_regions_and_types_of_numbers(written: str, region: str, kind: str) -> None:
    found = normalise(written, "RU")
    assert (found.region, found.number_type) == (region, kind)
