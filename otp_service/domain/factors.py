"""Lasting second factors of a person, whom the caller knows by a `subject` of its own."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from otp_service.domain import backup_codes, totp
from otp_service.domain.totp import Generator
from otp_service.domain.value import Hidden, Value

MOST_TOTP = 10
"""Authenticators of one person; unconfirmed ones make room for new ones."""
MOST_PHONES = 10
"""Verified phones that are remembered of one person; the oldest goes."""
UNCONFIRMED_MS = 3_600_000
"""An authenticator that nobody confirmed is forgotten after an hour."""


def read(typed: str) -> str:
    """What a person typed into the one field of a login page, in its plain form: digits, or a backup code.

    Raises ValueError.
    """
    code = backup_codes.plain(typed)
    return code if backup_codes.is_code(code) else totp.read(typed)


class FactorStatus(StrEnum):
    UNCONFIRMED = "unconfirmed"
    """Enrolled; its first code has not come yet, so it opens nothing."""
    CONFIRMED = "confirmed"
    DISABLED = "disabled"
    """100 wrong codes in a row; it waits to be unlocked."""


class FactorKind(StrEnum):
    TOTP = "totp"
    BACKUP_CODE = "backup_code"


class FactorOutcome(StrEnum):
    """What one check of a factor came to."""

    APPROVED = "approved"
    WRONG_CODE = "wrong_code"
    ALREADY_USED = "already_used"
    """Right, but spent: a TOTP code of this or an earlier step was accepted, or the backup code was used."""
    CLOCK_OFF = "clock_off"
    """Not accepted; it is a TOTP code of another time, so the device's clock is plainly wrong."""
    ALREADY_CONFIRMED = "already_confirmed"
    """To a confirmation only: nothing was judged."""


class Totp(Value):
    """One authenticator. Times are milliseconds of Redis time, 0 for never. subject, label: may be personal data."""

    id: str
    subject: Hidden[str]
    name: Hidden[str]
    label: Hidden[str]
    issuer: str
    generator: Generator
    status: FactorStatus
    created_at: int
    confirmed_at: int
    used_at: int


class BackupCodes(Value):
    """What may be told of a set of backup codes."""

    left: int
    status: FactorStatus
    issued_at: int
    used_at: int


class VerifiedPhone(Value):
    """A phone that the person proved in a verification that named the subject. e164: with plus."""

    e164: Hidden[str]
    verified_at: int


class Overview(Value):
    """What a person can use. An unknown subject is one that has nothing."""

    totp: Sequence[Totp]
    backup_codes: BackupCodes | None
    phones: Sequence[VerifiedPhone]


class TotpJudgement(Value):
    """seconds: of `clock_off`, how far the device's clock is ahead of ours; 0 else."""

    outcome: FactorOutcome
    totp: Totp
    seconds: int = 0


class Judgement(Value):
    """Of a code whose kind its form told. totp: the authenticator that it belongs to, where one does."""

    outcome: FactorOutcome
    kind: FactorKind
    totp: Totp | None = None
    backup_codes: BackupCodes | None = None
    seconds: int = 0
