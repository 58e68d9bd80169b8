"""Settings that every TargetSMS gateway has."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otp_service.domain.secret import Secret
from otp_service.errors import SettingsError
from otp_service.gateways.config import GatewayConfig


class TargetSmsConfig(GatewayConfig, frozen=True, kw_only=True):
    login: Secret
    password: Secret
    time_zone: str = "Europe/Moscow"
    """Of the account; the gateway writes and reads times in it."""

    def zone(self, name: str) -> ZoneInfo:
        """name: of the gateway. Raises `SettingsError`."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsError(
                f"gateways.{name}.time_zone: {self.time_zone!r} is no time zone of the IANA list, such as Europe/Moscow"
            ) from None
