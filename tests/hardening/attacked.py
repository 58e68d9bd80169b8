"""An installation of its own: two processes, a Valkey whose time is moved, no limits but those that are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.clock import Clock

WIDE = {
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0",
    "OTP__LIMITS__PHONE_DAY__QUOTA": "0",
    "OTP__LIMITS__GUESSES_DAY__QUOTA": "0",
    "OTP__GUARD__MODE": "off",
    "OTP__GUARD__WRONG_CODES_FLOOR": "300",
    "OTP_LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Attacked:
    folder: Path
    urls: list[str]
    redis: str
    clock: Clock
