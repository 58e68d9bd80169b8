"""Test numbers: phones of the settings that get no message and have a fixed code."""

from __future__ import annotations

from datetime import UTC, date, datetime

import structlog

from otp_service.domain import phone
from otp_service.errors import Refused, SettingsError
from otp_service.settings import Settings

GATEWAY = "test"
"""Stands where the name of a gateway would."""

log = structlog.get_logger()


class TestNumbers:
    def __init__(self, settings: Settings) -> None:
        self._numbers: dict[str, tuple[str, date]] = {}
        config = settings.testing
        if config.numbers and settings.service.environment == "production" and not config.in_production:
            log.warning("test_numbers_off", numbers=len(config.numbers))
            return
        for n, number in enumerate(config.numbers):
            try:
                e164 = phone.normalise(number.phone, "ZZ").e164
            except Refused:
                raise SettingsError(f"testing.numbers[{n}].phone: write it with its country code") from None
            self._numbers[e164] = (number.code, number.until)

    def __contains__(self, e164: str) -> bool:
        """Whatever its last day is: `is_live` looks at that."""
        return e164 in self._numbers

    def is_live(self, e164: str, now_ms: int) -> bool:
        """Through its last day, UTC."""
        _, until = self._numbers[e164]
        return datetime.fromtimestamp(now_ms / 1000, UTC).date() <= until

    def code(self, e164: str) -> str:
        """'' where the number has left the settings meanwhile; then no code is good."""
        return self._numbers.get(e164, ("", None))[0]
