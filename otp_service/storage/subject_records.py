"""The stored form of a subject: what is kept of a person's factors, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

import msgspec
import structlog

from otp_service.domain.factors import (
    BackupCodes,
    FactorStatus,
    Overview,
    Totp,
    VerifiedPhone,
)
from otp_service.domain.keyring import Keyring, Keys, SubjectPlace, frame
from otp_service.domain.ledger import FAILS_THAT_DISABLE
from otp_service.domain.totp import PERIOD_SECONDS, Algorithm, Generator
from otp_service.domain.value import Hidden, Value
from otp_service.errors import StorageUnavailable
from otp_service.storage.script import W_co

log = structlog.get_logger()


class TotpState(msgspec.Struct, frozen=True):
    """What scripts know of an authenticator. step: the last accepted one. drift: in steps, found with it."""

    status: FactorStatus
    digits: int
    algorithm: Algorithm
    created_at: int
    confirmed_at: int
    used_at: int
    expires_at: int
    step: int
    drift: int
    fails: int
    period: int = PERIOD_SECONDS


class TotpSealed(msgspec.Struct, frozen=True):
    """What only opens with the root secret, bound to application, subject and id."""

    secret: bytes
    name: str
    label: str
    issuer: str


class BackupState(msgspec.Struct, frozen=True):
    issued_at: int
    used_at: int
    left: int
    cost: str
    fails: int


class BackupSealed(msgspec.Struct, frozen=True):
    """pepper, salt: of this set alone, so that a rotated root secret seals them anew and no hash has to change."""

    pepper: bytes
    salt: bytes


class Subject(Value):
    """What a script answered. raw: its `detail`, as its header says. now: milliseconds of Redis time."""

    raw: Hidden[bytes]
    now: int
    place: SubjectPlace
    application: str
    record: Hidden[Mapping[bytes, bytes]]

    @property
    def detail(self) -> str:
        return self.raw.decode()

    @property
    def wait_seconds(self) -> float:
        """`detail` where it holds milliseconds."""
        return max(1, int(self.detail or 0)) / 1000

    @property
    def totp_states(self) -> dict[str, TotpState]:
        """By id."""
        return msgspec.json.decode(self.record.get(b"s", b"{}"), type=dict[str, TotpState])

    @property
    def backup_state(self) -> BackupState | None:
        found = self.record.get(b"b")
        return msgspec.json.decode(found, type=BackupState) if found else None


class SubjectAnswer(Subject, Generic[W_co]):
    """With the word that the script answered."""

    word: W_co


class Vault:
    """Seals what is kept for ever, and opens it. Everything is bound to its application, its subject and its place."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal(self, plain: msgspec.Struct | bytes, application: str, place: SubjectPlace, *where: str) -> bytes:
        raw = plain if isinstance(plain, bytes) else msgspec.msgpack.encode(plain)
        return self._keyring.seal(raw, bound_to(application, place.index, *where))

    def open(self, sealed: bytes, application: str, place: SubjectPlace, *where: str) -> bytes:
        """Raises StorageUnavailable where its root secret is no longer listed: listing it again mends that."""
        try:
            return self._keyring.open(sealed, bound_to(application, place.index, *where))
        except LookupError:
            log.error("sealed_under_unlisted_secret", key_id=sealed[:4].hex())  # noqa: TRY400  no trace needed
            raise StorageUnavailable(
                detail="This was encrypted under a root secret that is no longer in the settings; the log says which."
            ) from None

    def totp(self, found: Subject, factor_id: str, states: Mapping[str, TotpState] | None = None) -> Totp | None:
        """None if it is not there (any more). states: of all, where they are read already."""
        state = (found.totp_states if states is None else states).get(factor_id)
        if state is None or (state.expires_at and found.now >= state.expires_at):
            return None
        raw = self.open(found.record[b"t:" + factor_id.encode()], found.application, found.place, "totp", factor_id)
        kept = msgspec.msgpack.decode(raw, type=TotpSealed)
        return Totp(
            id=factor_id,
            subject=self.who(found),
            name=kept.name,
            label=kept.label,
            issuer=kept.issuer,
            generator=Generator(kept.secret, state.digits, state.algorithm, state.period),
            status=_status(state.status, state.fails),
            created_at=state.created_at,
            confirmed_at=state.confirmed_at,
            used_at=state.used_at,
        )

    def who(self, found: Subject) -> str:
        """The caller's id of the person."""
        return self.open(found.record[b"who"], found.application, found.place, "who").decode()

    def backup(self, found: Subject) -> BackupSealed | None:
        sealed = found.record.get(b"bs")
        if sealed is None:
            return None
        return msgspec.msgpack.decode(self.open(sealed, found.application, found.place, "backup"), type=BackupSealed)

    def overview(self, found: Subject) -> Overview:
        phones = [
            VerifiedPhone(
                self.open(sealed, found.application, found.place, "phone").decode(),
                int(found.record[b"v:" + name[2:]]),
            )
            for name, sealed in found.record.items()
            if name.startswith(b"p:")
        ]
        return Overview(
            totp=sorted(
                filter(None, (self.totp(found, one) for one in found.totp_states)),
                key=lambda one: (one.created_at, one.id),
            ),
            backup_codes=backup_codes(found),
            phones=sorted(phones, key=lambda phone: -phone.verified_at),
        )


def bound_to(application: str, index: str, *where: str) -> bytes:
    """The index is the keyed name of application and subject; it is known where the subject itself is not."""
    return frame(*(part.encode() for part in ("subject", application, index, *where)))


def open_person(keyring: Keyring, sealed: bytes, application: str, index: str) -> str:
    """Whom an event is about; '' where its root secret is not known any more."""
    try:
        return keyring.open(sealed, bound_to(application, index, "who")).decode()
    except LookupError:
        return ""


def seal_subject(holder: Keys, subject: str, verification_id: str) -> bytes:
    """The subject that a verification names, for its record; empty for none."""
    return holder.seal(subject.encode(), b"subject:" + verification_id.encode()) if subject else b""


def subject_in(holder: Keys | None, sealed: bytes | None, verification_id: str) -> str:
    """'' where it names none, or where its root secret is not known any more."""
    return holder.open(sealed, b"subject:" + verification_id.encode()).decode() if holder and sealed else ""


def backup_codes(found: Subject) -> BackupCodes | None:
    state = found.backup_state
    if state is None:
        return None
    return BackupCodes(
        left=state.left,
        status=_status(FactorStatus.CONFIRMED, state.fails),
        issued_at=state.issued_at,
        used_at=state.used_at,
    )


def _status(kept: FactorStatus, fails: int) -> FactorStatus:
    return FactorStatus.DISABLED if fails >= FAILS_THAT_DISABLE else kept
