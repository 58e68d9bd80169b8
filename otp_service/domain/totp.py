"""Time-based one-time passwords: RFC 6238 over the HOTP of RFC 4226, with the codes of cryptography's `twofactor`.

A secret has 160 bits (RFC 4226 §4 R6). A step is 30 seconds since the epoch, by the clock of Redis.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from otp_service.domain.value import Hidden, Value

PERIOD_SECONDS = 30
SECRET_BYTES = 20
LEAST_SECRET_BYTES = 10
"""Of an imported one: many services gave 80 bits, below the 128 of RFC 4226 §4 R6. Ours always have 160."""
LONGEST_SECRET_BYTES = 64
FARTHEST_DRIFT = 4
"""Steps that a device's clock may be found wrong by, after which it has to be set right (RFC 6238 §6)."""


class Algorithm(StrEnum):
    """SHA1 is what every authenticator app knows; several ignore any other."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


_HASHES: Mapping[Algorithm, type[SHA1 | SHA256 | SHA512]] = {
    Algorithm.SHA1: SHA1,
    Algorithm.SHA256: SHA256,
    Algorithm.SHA512: SHA512,
}


class Generator(Value):
    """What an authenticator app knows: the secret, and how codes are made from it. digits: 6 or 8."""

    secret: Hidden[bytes]
    digits: int = 6
    algorithm: Algorithm = Algorithm.SHA1

    @classmethod
    def new(cls, digits: int, algorithm: Algorithm) -> Generator:
        return cls(secrets.token_bytes(SECRET_BYTES), digits, algorithm)

    def code(self, step: int) -> str:
        """The code of one step, with leading zeros."""
        hotp = HOTP(self.secret, self.digits, _HASHES[self.algorithm](), enforce_key_length=False)
        return hotp.generate(step).decode()

    def find(self, code: str, now_ms: int, window: int, drift: int) -> int | None:
        """The step that a code belongs to, nearest to now first; None if it is no code of these minutes.

        window: steps either way. drift: how far off the device was found last; looked at in addition to now, since a
        slow typist looks like a slow clock. Window 0 is strict: the step of now alone. Every candidate is computed and
        compared in constant time, whichever matches.
        """
        step = step_at(now_ms)
        drift = drift if window else 0
        found = None
        for candidate in range(step + max(drift, 0) + window, step + min(drift, 0) - window - 1, -1):
            same = hmac.compare_digest(self.code(candidate).encode(), code.encode())
            if same and (found is None or abs(candidate - step) < abs(found - step)):
                found = candidate
        return found

    def uri(self, label: str, issuer: str) -> str:
        """The otpauth URI that authenticator apps read from a QR code (Google's Key URI Format)."""
        parameters = {
            "secret": to_base32(self.secret),
            "issuer": issuer,
            "algorithm": self.algorithm,
            "digits": self.digits,
            "period": PERIOD_SECONDS,
        }
        return (
            f"otpauth://totp/{quote(issuer, safe='')}:{quote(label, safe='')}?{urlencode(parameters, quote_via=quote)}"
        )


def step_at(now_ms: int) -> int:
    return now_ms // (PERIOD_SECONDS * 1000)


def drift_of(found: int, now_ms: int) -> int:
    """What to remember of a device after a right code; more than the farthest drift is not followed."""
    return max(-FARTHEST_DRIFT, min(FARTHEST_DRIFT, found - step_at(now_ms)))


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
