"""Every public field of second factors that goes out. Types of the domain never leave by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from otp_service.domain.backup_codes import grouped
from otp_service.domain.factors import (
    BackupCodes,
    FactorKind,
    FactorOutcome,
    FactorStatus,
    Judgement,
    Overview,
    Totp,
    TotpJudgement,
)
from otp_service.domain.qr import QrCode
from otp_service.domain.recipients import mask
from otp_service.domain.totp import Algorithm, to_base32
from otp_service.schemas.events import time_view

ImportedAs = Literal["imported", "already_there", "refused"]


class TotpView(msgspec.Struct, kw_only=True):
    id: str
    subject: str
    name: str | None
    label: str | None
    issuer: str | None
    status: FactorStatus
    digits: int
    algorithm: Algorithm
    period: int
    created_at: datetime
    confirmed_at: datetime | None
    used_at: datetime | None


class EnrolmentView(TotpView, kw_only=True):
    """The last four are shown until the authenticator is confirmed, and never again."""

    secret: str | None
    uri: str | None
    qr_svg: str | None
    qr_png: str | None


class TotpResult(msgspec.Struct, kw_only=True):
    """The caller must compare `subject` with the person that it wants proved.

    seconds: of `clock_off`, how far the device's clock is fast, less than 0 if it is slow; detail: that in a sentence.
    """

    id: str
    subject: str
    name: str | None
    outcome: FactorOutcome
    approved: bool
    status: FactorStatus
    seconds: int | None
    detail: str | None


class ImportedRow(msgspec.Struct, kw_only=True):
    """row: counted from 1. result: `imported`, `already_there`, or `refused` with an error."""

    row: int
    result: ImportedAs
    error: str | None


class ImportResult(msgspec.Struct, kw_only=True):
    imported: int
    already_there: int
    refused: int
    rows: list[ImportedRow]


class BackupCodesView(msgspec.Struct, kw_only=True):
    left: int
    status: FactorStatus
    issued_at: datetime
    used_at: datetime | None


class IssuedView(BackupCodesView, kw_only=True):
    """The codes are shown once."""

    subject: str
    codes: list[str]


class PhoneView(msgspec.Struct, kw_only=True):
    """restricted: a code by SMS is a restricted authenticator (NIST SP 800-63B-4 §3.2.9)."""

    phone: str
    verified_at: datetime
    restricted: bool


class SubjectView(msgspec.Struct, kw_only=True):
    subject: str
    phones: list[PhoneView]
    totp: list[TotpView]
    backup_codes: BackupCodesView | None


class FactorsView(msgspec.Struct, kw_only=True):
    factors: list[TotpView]


class SubjectResult(msgspec.Struct, kw_only=True):
    """factor: what the code is by its form. factor_id and name of an authenticator that it belongs to.

    seconds: of `clock_off`, how far the device's clock is fast, less than 0 if it is slow; detail: that in a sentence.
    """

    subject: str
    outcome: FactorOutcome
    approved: bool
    factor: FactorKind
    factor_id: str | None
    name: str | None
    backup_codes_left: int | None
    seconds: int | None
    detail: str | None


class UnlockResult(msgspec.Struct, kw_only=True):
    subject: str
    forgotten: int


def totp_view(found: Totp) -> TotpView:
    return TotpView(**_fields(found))


def enrolment_view(found: Totp, shown: QrCode | None) -> EnrolmentView:
    """shown: the QR code of an unconfirmed one; without it the secret stays here, too."""
    return EnrolmentView(
        **_fields(found),
        secret=to_base32(found.generator.secret) if shown else None,
        uri=shown.text if shown else None,
        qr_svg=shown.svg if shown else None,
        qr_png=shown.png if shown else None,
    )


def _fields(found: Totp) -> dict[str, Any]:
    return {
        "id": found.id,
        "subject": found.subject,
        "name": found.name or None,
        "label": found.label or None,
        "issuer": found.issuer or None,
        "status": found.status,
        "digits": found.generator.digits,
        "algorithm": found.generator.algorithm,
        "period": found.generator.period,
        "created_at": time_view(found.created_at),
        "confirmed_at": _time_or_none(found.confirmed_at),
        "used_at": _time_or_none(found.used_at),
    }


def totp_result(judgement: TotpJudgement) -> TotpResult:
    found = judgement.totp
    return TotpResult(
        id=found.id,
        subject=found.subject,
        name=found.name or None,
        outcome=judgement.outcome,
        approved=judgement.outcome == "approved",
        status=found.status,
        **_clock(judgement.seconds),
    )


def subject_result(subject: str, judgement: Judgement) -> SubjectResult:
    return SubjectResult(
        subject=subject,
        outcome=judgement.outcome,
        approved=judgement.outcome == "approved",
        factor=judgement.kind,
        factor_id=judgement.totp.id if judgement.totp else None,
        name=(judgement.totp.name or None) if judgement.totp else None,
        backup_codes_left=judgement.backup_codes.left if judgement.backup_codes else None,
        **_clock(judgement.seconds),
    )


def _clock(seconds: int) -> dict[str, Any]:
    """seconds: how far a device's clock is ahead of ours; 0 where nothing is said of it."""
    if not seconds:
        return {"seconds": None, "detail": None}
    minutes = max(1, round(abs(seconds) / 60))
    about = f"{minutes} minute{'s' if minutes > 1 else ''}"
    way = "fast" if seconds > 0 else "slow"
    return {"seconds": seconds, "detail": f"The device's clock is about {about} {way}; set it by the network's time."}


def backup_view(found: BackupCodes) -> BackupCodesView:
    return BackupCodesView(
        left=found.left,
        status=found.status,
        issued_at=time_view(found.issued_at),
        used_at=_time_or_none(found.used_at),
    )


def issued_view(subject: str, codes: Sequence[str], found: BackupCodes) -> IssuedView:
    kept = msgspec.structs.asdict(backup_view(found))
    return IssuedView(subject=subject, codes=[grouped(code) for code in codes], **kept)


def subject_view(subject: str, found: Overview, *, clear: bool) -> SubjectView:
    return SubjectView(
        subject=subject,
        phones=[
            PhoneView(
                phone=one.e164 if clear else mask(one.e164), verified_at=time_view(one.verified_at), restricted=True
            )
            for one in found.phones
        ],
        totp=[totp_view(one) for one in found.totp],
        backup_codes=backup_view(found.backup_codes) if found.backup_codes else None,
    )


def _time_or_none(milliseconds: int) -> datetime | None:
    return time_view(milliseconds) if milliseconds else None
