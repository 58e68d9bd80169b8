"""What both packages need: one client of the settings, and a code that goes out by it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.signals import setting_changed
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from otp_service_client import (
    Client,
    Delivery,
    InvalidAddress,
    InvalidPhone,
    LimitExceeded,
    PhoneRejected,
    SuspectedPumping,
    TooSoon,
)

LOCALES = ("ru", "en")
TOO_OFTEN = _("Too many messages were sent. Try again later.")
NOT_POSSIBLE = _("No message can be sent to this phone number.")


def deliver(phone: str, code: str, *, purpose: str, client_ip: str | None = None) -> Delivery:
    """Hand a code over. Raises ValidationError for what the person can act upon, else OtpServiceError."""
    options = _options()
    language = options.get("LOCALE") or (get_language() or "")[:2]
    try:
        return _client().deliver(
            phone,
            code=code,
            purpose=purpose,
            locale=language if language in LOCALES else None,
            ttl_seconds=options.get("TTL_SECONDS"),
            client_ip=client_ip,
        )
    except (TooSoon, LimitExceeded, SuspectedPumping):
        raise ValidationError(TOO_OFTEN, code="too_many_messages") from None
    except (InvalidPhone, InvalidAddress, PhoneRejected):
        raise ValidationError(NOT_POSSIBLE, code="phone_not_possible") from None


def _options() -> dict[str, Any]:
    found = getattr(settings, "OTP_SERVICE", None)
    if not isinstance(found, dict) or not found.get("URL") or not found.get("KEY"):
        raise ImproperlyConfigured('OTP_SERVICE must be {"URL": …, "KEY": …}')
    return found


@cache
def _client() -> Client:
    options = _options()
    return Client(options["URL"], options["KEY"], timeout=options.get("TIMEOUT_SECONDS", 15))


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "OTP_SERVICE":
        _client.cache_clear()


setting_changed.connect(_forget)
