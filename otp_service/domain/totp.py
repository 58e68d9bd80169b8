"""Time-based one-time passwords: RFC 6238 over the HOTP of RFC 4226.

Our secrets have 160 bits (RFC 4226 §4 R6). A step is a period of seconds since the epoch, by the clock of Redis.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from urllib.parse import quote, urlencode

from otp_service.domain.codes import bare
from otp_service.domain.value import Hidden, Value

PERIOD_SECONDS = 30
PERIODS = (30, 60)
"""60 s is what several hardware tokens have; such authenticators can be imported."""
DIGITS = (6, 7, 8)
SECRET_BYTES = 20
LEAST_SECRET_BYTES = 10
"""Of an imported one: many services gave 80 bits, below the 128 of RFC 4226 §4 R6. Ours always have 160."""
LONGEST_SECRET_BYTES = 64
FARTHEST_DRIFT_SECONDS = 180
"""So far off a device's clock may be at its enrolment, and followed later; beyond that it has to be set right."""
FAR_SECONDS = 3600
"""So far off a code of a device whose clock has to be set right is still told from a wrong one."""
FAR_HOURS = 14
"""At an enrolment whole hours too, of a clock that was set by hand in another time zone."""
_CODE = re.compile(r"[0-9]{6,8}")


def read(typed: str) -> str:
    """A code as a person typed it, without blanks and the like: 6 to 8 digits. Raises ValueError."""
    code = bare(typed)
    if not _CODE.fullmatch(code):
        raise ValueError("no code of 6 to 8 digits")
    return code


class Algorithm(StrEnum):
    """SHA1 is what every authenticator app knows; several ignore any other."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


class ClockOff(Value):
    """A code that is right at another time. step: that time's. seconds: how far the device's clock is ahead of ours."""

    step: int
    seconds: int


class Generator(Value):
    """What an authenticator app knows: the secret, and how codes are made from it. period: seconds."""

    secret: Hidden[bytes]
    digits: int = 6
    algorithm: Algorithm = Algorithm.SHA1
    period: int = PERIOD_SECONDS

    @classmethod
    def new(cls, digits: int, algorithm: Algorithm) -> Generator:
        return cls(secrets.token_bytes(SECRET_BYTES), digits, algorithm)

    def code(self, step: int) -> str:
        """The code of one step, with leading zeros (RFC 4226 §5.3)."""
        digest = hmac.digest(self.secret, step.to_bytes(8, "big"), self.algorithm)
        at = digest[-1] & 15
        return str((int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF) % 10**self.digits).zfill(self.digits)

    def step_at(self, now_ms: int) -> int:
        return now_ms // (self.period * 1000)

    def find(self, code: str, now_ms: int, window: int, drift: int) -> int | None:
        """The step that a code belongs to, nearest to now first; None if it is no code of these minutes.

        window: steps either way. drift: how far off the device was found last; looked at in addition to now, since a
        slow typist looks like a slow clock. Window 0 is strict: the step of now alone. Every candidate is computed and
        compared in constant time, whichever matches.
        """
        step = self.step_at(now_ms)
        centres = (step, step + drift) if window else (step,)
        candidates = {centre + off for centre in centres for off in range(-window, window + 1)}
        return self._first(code, sorted(candidates, key=lambda one: (abs(one - step), -one)))

    def enrolment_window(self, window: int) -> int:
        """Steps either way at a confirmation, where logins have this window: a strict one stays strict."""
        return max(window, FARTHEST_DRIFT_SECONDS // self.period) if window else 0

    def drift_of(self, found: int, now_ms: int) -> int:
        """What to remember of a device after a right code, in steps; more than the farthest drift is not followed."""
        farthest = FARTHEST_DRIFT_SECONDS // self.period
        return max(-farthest, min(farthest, found - self.step_at(now_ms)))

    def clock_off(self, code: str, now_ms: int, *, enrolment: bool) -> ClockOff | None:
        """Whether a code that `find` does not know is one of a clock that is plainly wrong; the nearest one.

        One in some thousands of mistyped codes is, too: about twice FAR_SECONDS over the period, out of 10^digits.
        """
        step = self.step_at(now_ms)
        found = self._first(code, [step + off for off in _far(self.period, enrolment)])
        return ClockOff(found, (found - step) * self.period) if found is not None else None

    def _first(self, code: str, steps: Iterable[int]) -> int | None:
        found = None
        for step in steps:
            same = step >= 0 and hmac.compare_digest(self.code(step).encode(), code.encode())
            if same and found is None:
                found = step
        return found

    def uri(self, label: str, issuer: str) -> str:
        """The otpauth URI that authenticator apps read from a QR code (Google's Key URI Format)."""
        parameters = {
            "secret": to_base32(self.secret),
            "issuer": issuer,
            "algorithm": self.algorithm,
            "digits": self.digits,
            "period": self.period,
        }
        return (
            f"otpauth://totp/{quote(issuer, safe='')}:{quote(label, safe='')}?{urlencode(parameters, quote_via=quote)}"
        )


@cache
def _far(period: int, enrolment: bool) -> tuple[int, ...]:
    """Steps off that are looked at for a wrong clock, nearest first."""
    hours = FAR_HOURS * 3600 if enrolment else FAR_SECONDS
    steps = (
        off
        for off in range(-hours // period, hours // period + 1)
        if abs(off * period) <= FAR_SECONDS or min(off * period % 3600, -off * period % 3600) <= FARTHEST_DRIFT_SECONDS
    )
    return tuple(sorted(steps, key=abs))


def to_base32(secret: bytes) -> str:
    """RFC 4648 §6 without padding, as authenticator apps want it."""
    return base64.b32encode(secret).decode().rstrip("=")


def from_base32(text: str) -> bytes:
    """As people and exports write it: any case, blanks and hyphens between groups, with or without padding.

    Raises ValueError with a reason that repeats nothing of the secret.
    """
    bare = "".join(character for character in text.upper() if character not in " -").rstrip("=")
    try:
        # Checked before it was put in capitals: those of other scripts may become ours.
        secret = base64.b32decode(bare + "=" * (-len(bare) % 8)) if text.isascii() else b""
    except binascii.Error:
        raise ValueError("the secret is not base32") from None
    if not LEAST_SECRET_BYTES <= len(secret) <= LONGEST_SECRET_BYTES:
        raise ValueError(f"the secret must have {LEAST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes")
    return secret
