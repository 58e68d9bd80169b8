"""Who is asked for a send, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otp_service.delivery.routing import later_send, other_send


def gateway(name: str) -> Any:
    """`code` makes the code itself."""
    return SimpleNamespace(name=name, makes_code=name == "code")


@pytest.mark.parametrize(
    ("route", "last", "other", "later"),
    [
        ("code xml ka", "code", "xml ka code", "xml ka"),
        ("code xml ka", "xml", "ka code xml", "ka xml"),
        ("code xml ka", "ka", "xml code ka", "xml ka"),
        ("code xml", "xml", "code xml", "xml"),
        ("xml ka", "xml", "ka xml", "ka xml"),
        ("code", "code", "code", "code"),
        ("xml ka", "removed", "xml ka", "xml ka"),
    ],
)
def test_who_comes_next(route: str, last: str, other: str, later: str) -> None:
    """In place of an SMS that did not arrive: its gateway comes last. Where the person asks: where it went on."""
    gateways = [gateway(name) for name in route.split()]

    assert " ".join(each.name for each in other_send(gateways, last)) == other
    assert " ".join(each.name for each in later_send(gateways, last)) == later
