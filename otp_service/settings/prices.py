"""What one SMS part costs, by gateway and country, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service.domain import money
from otp_service.errors import SettingsError
from otp_service.settings.values import Settings

ELSEWHERE = "*"
"""Stands for every country that has no price of its own."""


class PriceList:
    """Raises SettingsError for a price that is none, and for a budget that prices are missing for."""

    def __init__(self, settings: Settings) -> None:
        self._routes = settings.routes
        self._prices = {
            gateway: {
                country: _micros(price, f"gateways.{gateway}.prices.{country}") for country, price in table.items()
            }
            for gateway, table in ((name, one.get("prices", {})) for name, one in settings.gateways.items())
        }
        self.budgets = {
            name: _micros(one.budget_per_day or 0, f"applications.{name}.budget_per_day")
            for name, one in settings.applications.items()
        }
        for name, application in settings.applications.items():
            for country in application.countries if self.budgets[name] else ():
                self._require(name, country)

    def of_part(self, gateway: str, country: str) -> int | None:
        """Micro-roubles; None where nobody said."""
        prices: Mapping[str, int] = self._prices.get(gateway, {})
        return prices.get(country, prices.get(ELSEWHERE))

    def dearest(self, channel: str, country: str) -> int:
        """Of one part on a route, whichever gateway takes it; 0 where nobody said."""
        return max(self.of_part(gateway, country) or 0 for gateway in self._routes[channel].gateways)

    def _require(self, application: str, country: str) -> None:
        for route in self._routes.values():
            for gateway in route.gateways:
                if self.of_part(gateway, country) is None:
                    raise SettingsError(
                        f"applications.{application}.budget_per_day: gateways.{gateway}.prices has no price for "
                        f'{country}; add one, or "{ELSEWHERE}" for all countries'
                    )


def _micros(amount: object, where: str) -> int:
    try:
        return money.micros(amount if isinstance(amount, str | int) else str(amount))
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None
