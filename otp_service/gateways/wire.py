"""Values that providers send, checked before they travel on. What fails a check never reaches a record or a log."""

from __future__ import annotations

import re
from decimal import Decimal

from otp_service.gateways.http import broken_answer

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_COUNT = re.compile(r"[0-9]{1,9}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


def required_id(value: str | None) -> str:
    """A message id. Ids are strings: some are above 2**31 (E3). Raises `GatewayError` BROKEN_ANSWER/unclear."""
    if not value or not _ID.fullmatch(value):
        raise broken_answer()
    return value


def optional_id(value: str | None) -> str:
    """As `required_id`, but "" where it is absent or empty."""
    return required_id(value) if value else ""


def count(value: str | None) -> int:
    """A number of parts; 0 where it is absent, empty or no number (providers leave it out, XQ20)."""
    return int(value) if value and _COUNT.fullmatch(value) else 0


def amount(value: str | None) -> Decimal | None:
    """An amount of money or of SMS with a decimal dot; None where it is absent, empty or no number."""
    return Decimal(value) if value and _AMOUNT.fullmatch(value) else None


def shown(value: str, limit: int = 64) -> str:
    """A provider's words for a person to read: printable characters only, cut at `limit`."""
    return "".join(char for char in value if char.isprintable())[:limit]
