"""What one SMS part costs, by gateway and country, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service.domain import money
from otp_service.domain.messages import MessageStatus
from otp_service.domain.verifications import FAILED
from otp_service.errors import SettingsError
from otp_service.settings.values import Route, Settings

ELSEWHERE = "*"
"""Stands for every country that has no price of its own."""


class PriceList:
    """Raises SettingsError for a price that is none, and for a budget that prices are missing for."""

    def __init__(self, settings: Settings) -> None:
        self._routes = settings.routes
        for gateway, one in settings.gateways.items():
            if not isinstance(one.get("prices", {}), Mapping):
                raise SettingsError(f'gateways.{gateway}.prices: write a table, as in {{RU = "4.50", "*" = "12"}}')
        self._prices = {
            gateway: {
                country: _micros(price, f"gateways.{gateway}.prices.{country}")
                for country, price in one.get("prices", {}).items()
            }
            for gateway, one in settings.gateways.items()
        }
        self._by_delivery = {name for name, one in settings.gateways.items() if one.get("billed") == "delivered"}
        self.budgets = {
            name: _micros(one.budget_per_day or 0, f"applications.{name}.budget_per_day")
            for name, one in settings.applications.items()
        }
        for name, application in settings.applications.items():
            for country in application.countries if self.budgets[name] else ():
                for gateway in (gateway for route in self._routes.values() for gateway in route.gateways):
                    if self.of_part(gateway, country) is None:
                        raise SettingsError(
                            f"applications.{name}.budget_per_day: gateways.{gateway}.prices has no price for "
                            f'{country}; add one, or "{ELSEWHERE}" for all countries'
                        )

    def of_part(self, gateway: str, country: str) -> int | None:
        """Micro-roubles; None where nobody said."""
        prices: Mapping[str, int] = self._prices.get(gateway, {})
        return prices.get(country, prices.get(ELSEWHERE))

    def owes(self, gateway: str, status: MessageStatus) -> bool:
        """Whether a message that left costs anything: one that failed does not where what arrives is billed.

        Of one without an end, and of one whose end nobody learned, it is taken that it will be billed.
        """
        return gateway not in self._by_delivery or status not in FAILED

    def dearest(self, route: Route, country: str) -> int:
        """Of one part on a route, whichever gateway takes it; 0 where nobody said."""
        return max(self.of_part(gateway, country) or 0 for gateway in route.gateways)


def _micros(amount: object, where: str) -> int:
    try:
        return money.micros(amount if isinstance(amount, str | int) else str(amount))
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None
