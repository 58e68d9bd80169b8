"""Settings: one TOML file plus the environment, read once at start into frozen values.

`OTP_CONFIG` names the file (default `otp-service.toml` if it exists). `OTP__SECTION__KEY` overrides one key, hyphens
written as underscores. Any string may be `env:NAME` or `file:/path`. What cannot work is refused with the key named.
"""

from otp_service.settings.applications import Application, Limit
from otp_service.settings.receivers import check_url, is_private_receiver, webhook_endpoints
from otp_service.settings.section import Section
from otp_service.settings.sources import LOOPBACK, convert, environment_named, load, places
from otp_service.settings.values import Guard, Hashing, Http, Redis, Route, Settings
from otp_service.settings.wording import examined, texts_of

__all__ = [
    "LOOPBACK",
    "Application",
    "Guard",
    "Hashing",
    "Http",
    "Limit",
    "Redis",
    "Route",
    "Section",
    "Settings",
    "check_url",
    "convert",
    "environment_named",
    "examined",
    "is_private_receiver",
    "load",
    "places",
    "texts_of",
    "webhook_endpoints",
]
