"""Who may push states to us: tokens, their rotation, and networks."""

from __future__ import annotations

from typing import Any, cast

import pytest

from otp_service.delivery.callbacks import Callbacks
from otp_service.errors import SettingsError
from otp_service.gateways import registry
from otp_service.gateways.base import Gateway

XML = {
    "kind": "targetsms-xml", "base_url": "https://sms.example.ru", "login": "l", "password": "p", "sender": "s",
}  # fmt: skip


def gateway(name: str, **settings: Any) -> Gateway:
    return registry.build(name, {**XML, **settings})


@pytest.fixture
async def pushes() -> Callbacks:
    gateways = [
        gateway("rotating", callback_token=["new-token", "old-token"]),
        gateway("guarded", callback_token="guarded-token", callback_networks=["203.0.113.0/24", "2001:db8::/32"]),
        gateway("without"),
    ]
    return Callbacks(gateways, cast("Any", None))


@pytest.mark.parametrize(
    ("token", "address", "opened"),
    [
        ("new-token", "198.51.100.7", "rotating"),
        ("old-token", "198.51.100.7", "rotating"),
        ("new-token,old-token", "198.51.100.7", None),
        ("NEW-TOKEN", "198.51.100.7", None),
        ("", "198.51.100.7", None),
        ("тайна", "198.51.100.7", None),
        ("guarded-token", "203.0.113.9", "guarded"),
        ("guarded-token", "2001:db8::1", "guarded"),
        ("guarded-token", "203.0.114.9", None),
        ("guarded-token", "unix", None),
    ],
)
async def test_a_token_opens_its_gateway_from_its_networks(
    pushes: Callbacks, token: str, address: str, opened: str | None
) -> None:
    found = pushes.gateway("targetsms", token, address)
    assert (found.name if found else None) == opened


@pytest.mark.parametrize(
    ("name", "opened"), [("rotating", "rotating"), ("targetsms", "rotating"), ("guarded", None), ("nobody", None)]
)
async def test_an_address_names_the_gateway_or_is_the_old_one(pushes: Callbacks, name: str, opened: str | None) -> None:
    found = pushes.gateway(name, "new-token", "198.51.100.7")
    assert (found.name if found else None) == opened


async def test_a_network_that_is_none_is_refused_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"gateways\.guarded\.callback_networks"):
        gateway("guarded", callback_token="t", callback_networks=["203.0.113.7/24"])
