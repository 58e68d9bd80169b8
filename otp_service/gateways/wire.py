"""Values that providers send, checked before they travel on. What fails a check never reaches a record or a log."""

from __future__ import annotations

import re
import time
from decimal import Decimal

from otp_service.gateways.http import broken_answer

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TOKEN = re.compile(r"[!#-%(-+\--:=?-Z\[\]^_a-z{}~]{1,128}")
_COUNT = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MOMENT = re.compile("[0-9]{1,12}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
STALE_SECONDS = 300
"""A signed push whose time is further away than this is not accepted."""


def is_fresh(written: str) -> bool:
    """Whether seconds since the epoch, as a push names them, are less than `STALE_SECONDS` from now."""
    return bool(_MOMENT.fullmatch(written)) and abs(time.time() - int(written)) <= STALE_SECONDS


def is_id(value: str | None) -> bool:
    """Whether a value can be a message id. Ids are strings: some are above 2**31 (E3)."""
    return bool(value and _ID.fullmatch(value))


def is_token(value: str) -> bool:
    """Whether a value can be a message id where no document says what ids are made of: up to 128 printable ASCII
    characters without a blank, a separator (`|,;`), a quotation mark or markup.
    """
    return bool(_TOKEN.fullmatch(value))


def required_token(value: str) -> str:
    """As `is_token`. Raises `GatewayError` BROKEN_ANSWER/unclear."""
    if not is_token(value):
        raise broken_answer()
    return value


def required_id(value: str | None) -> str:
    """A message id. Raises `GatewayError` BROKEN_ANSWER/unclear."""
    if not value or not is_id(value):
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


def words(value: str | None) -> str:
    """Text that is data, such as an incoming SMS: as it came, without the characters that would steer a terminal."""
    return _CONTROL.sub("", value or "")


def shown(value: str, limit: int = 64) -> str:
    """A provider's words for a person to read: printable characters only, cut at `limit`."""
    return "".join(char for char in value if char.isprintable())[:limit]
