"""The limits that ship, under those of the file; which of them an application has; what bounds misuse and is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otp_service.domain.networks import Network
from otp_service.errors import SettingsError
from otp_service.settings.applications import Limit
from otp_service.settings.prices import PriceList
from otp_service.settings.values import Settings

SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "phone-burst": {"per": ["phone"], "quota": 5, "window_seconds": 600},
    "phone-day": {"per": ["phone"], "quota": 20, "window_seconds": 86_400},
    "ip-hour": {"per": ["client_ip"], "quota": 300, "window_seconds": 3_600},
    "network-hour": {"per": ["client_network"], "quota": 1_000, "window_seconds": 3_600},
    "guesses-day": {
        "per": ["application", "phone"], "quota": 50, "window_seconds": 86_400, "of": "wrong_codes",
    },
    "deliveries-phone-burst": {"per": ["phone"], "quota": 20, "window_seconds": 600, "of": "deliveries"},
    "deliveries-phone-day": {"per": ["phone"], "quota": 60, "window_seconds": 86_400, "of": "deliveries"},
    "deliveries-ip-burst": {"per": ["client_ip"], "quota": 100, "window_seconds": 600, "of": "deliveries"},
    "deliveries-network-hour": {"per": ["client_network"], "quota": 1_000, "window_seconds": 3_600, "of": "deliveries"},
    "inbound-phone-burst": {"per": ["phone"], "quota": 20, "window_seconds": 600, "of": "inbound_starts"},
    "inbound-ip-hour": {"per": ["client_ip"], "quota": 300, "window_seconds": 3_600, "of": "inbound_starts"},
    "inbound-network-hour": {
        "per": ["client_network"], "quota": 1_000, "window_seconds": 3_600, "of": "inbound_starts",
    },
}  # fmt: skip
"""A table of the same name in the file changes the keys it has. Unverified sends are forgiven by the right code, so
a person who signs in twenty times a day meets none of these. Deliveries are forgiven by nobody: what counts them is
wider by as much as people answer. Inbound starts are forgiven by nobody either: whoever forges a sender would forgive
their own. Of a phone they are bounded for ten minutes only, as long as one of them can be open, so that a stranger who
uses them up keeps its holder out no longer than that."""


def with_shipped(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The file's limits over the shipped ones, key by key."""
    merged: dict[str, Any] = {name: dict(table) for name, table in SHIPPED.items()}
    for name, table in tables.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    return merged


def applying(named: tuple[str, ...], limits: Mapping[str, Limit], where: str) -> dict[str, Limit]:
    """The limits that an application names; `*` stands for all. Raises SettingsError naming `where`."""
    for name in named:
        if name != "*" and name not in limits:
            raise SettingsError(f"{where}: there is no limit {name!r}; there are: {', '.join(limits)}")
    return {name: limit for name, limit in limits.items() if ("*" in named or name in named) and limit.quota}


def check_bounds(settings: Settings) -> None:
    """Limits, lists, prices and budgets. Raises SettingsError that names the key."""
    for name, application in settings.applications.items():
        applying(application.limits, settings.limits, f"applications.{name}.limits")
    for key in ("allow", "block"):
        for entry in getattr(settings.guard, key):
            if entry[0] in "+@":
                continue
            try:
                Network.parse(entry)
            except ValueError:
                told = f"guard.{key}: {entry} is neither the beginning of a phone, nor @domain, nor a network"
                raise SettingsError(told) from None
    try:
        ZoneInfo(settings.money.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        told = f"money.time_zone: {settings.money.time_zone} is no time zone of the IANA list"
        raise SettingsError(told) from None
    PriceList(settings)
