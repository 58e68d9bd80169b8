"""Test numbers: phones of the settings that get no message and have a fixed code."""

from __future__ import annotations

from datetime import UTC, date, datetime

import structlog

from otp_service.domain import recipients
from otp_service.settings import Settings

GATEWAY = "test"
"""Stands where the name of a gateway would."""

log = structlog.get_logger()


class FixedCodes:
    def __init__(self, settings: Settings) -> None:
        self._numbers: dict[str, tuple[str, date]] = {}
        config = settings.testing
        if config.numbers and settings.service.environment == "production" and not config.in_production:
            log.warning("test_numbers_off", numbers=len(config.numbers))
            return
        for number in config.numbers:  # the settings were refused if one of them has no country code
            self._numbers[recipients.read_any(number.phone, "ZZ").text] = (number.code, number.until)

    def __contains__(self, to: str) -> bool:
        """Also after its last day; see `is_live`."""
        return to in self._numbers

    def is_live(self, to: str, now_ms: int) -> bool:
        """Whether today (UTC) is not after its last day."""
        _, until = self._numbers[to]
        return datetime.fromtimestamp(now_ms / 1000, UTC).date() <= until

    def code(self, to: str) -> str:
        """'' for a number that is no longer in the settings; then no code is right."""
        return self._numbers.get(to, ("", None))[0]
