"""Read this second: enrol, confirm, check and remove authenticators; backup codes; one question for a person's code.

Like a verification's check, each judgement is: count the attempt (a script), look at the code, settle (a script). What
is not there is counted and computed as if it were, so that neither answers nor their time tell who has a second factor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from otp_service import refusals
from otp_service.domain import backup_codes
from otp_service.domain.factors import (
    BackupCodes,
    FactorKind,
    FactorOutcome,
    Judgement,
    Overview,
    Totp,
    TotpJudgement,
)
from otp_service.domain.keyring import SubjectPlace
from otp_service.domain.totp import Algorithm, Generator
from otp_service.domain.totp_import import Row
from otp_service.domain.value import Hidden, Value
from otp_service.errors import StorageUnavailable
from otp_service.factors.judge import Judge, new_backup
from otp_service.hash_pool import HashPool
from otp_service.settings import Settings
from otp_service.storage import subject_records
from otp_service.storage.audit import Action
from otp_service.storage.records import Repeat
from otp_service.storage.stores import Stores
from otp_service.storage.subject_records import SubjectAnswer, TotpSealed
from otp_service.storage.words import TotpEnrol, TotpMode
from otp_service.telemetry import metrics


class Enrolment(Value):
    """What a caller asks for; '' stands for the default: `label` the subject, `issuer` the application's brand."""

    subject: Hidden[str]
    name: str = ""
    label: Hidden[str] = ""
    issuer: str = ""
    digits: int = 6
    algorithm: Algorithm = Algorithm.SHA1
    generator: Generator | None = None
    """One that the caller made; None for a new one."""


class Factors:
    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        hash_pool: HashPool,
        *,
        persistent: bool,
    ) -> None:
        """persistent: whether Redis keeps what it is given, or the operator said that it need not."""
        self._settings = settings
        self._names = stores.names
        self._vault = stores.vault
        self._store = stores.factors
        self._subjects = stores.subjects
        self._judge = Judge(stores.names, stores.vault, stores.factors, hash_pool)
        self._cost = hash_pool.lasting_cost
        self._audit = stores.audit
        self._persistent = persistent

    async def enrol(self, application: str, order: Enrolment, actor: str, idempotency_key: str = "") -> Totp:
        """A new authenticator, unconfirmed. A repeat finds the first one again."""
        self._require_persistence()
        place = self._names.subject(application, order.subject)
        said = [order.subject, order.name, order.label, order.issuer, str(order.digits), str(order.algorithm)]
        repeat = self._repeat(place, idempotency_key, "enrol", *said)
        brand = self._settings.applications[application].brand
        generator = order.generator or Generator.new(order.digits, order.algorithm)
        label, issuer = order.label or order.subject, order.issuer or brand
        row = Row(order.subject, generator, order.name, label, issuer)
        found = await self._add(application, place, row, repeat)
        totp = self._vault.totp(found, found.detail)
        if totp is None:  # a repeat of an enrolment that is gone since
            raise refusals.no_factor()
        if found.word == "enrolled":
            await self._record(Action.FACTOR_ENROLLED, actor, application, place, totp.id)
        return totp

    async def take_over(self, application: str, row: Row) -> bool:
        """Import an authenticator of another system; it is confirmed at once. False: it exists here already."""
        self._require_persistence()
        place = self._names.subject(application, row.subject)
        imported = self._names.secret_fingerprint(place, row.generator.secret)
        found = await self._add(application, place, row, Repeat(), imported)
        if found.word == "enrolled":
            metrics.FACTORS.labels(application, "imported").inc()
        return found.word == "enrolled"

    async def record_import(self, application: str, actor: str, imported: int) -> None:
        """Record an import in the audit log: one entry for all its authenticators."""
        await self._audit.record(actor, Action.FACTORS_IMPORTED, application=application, imported=imported)

    async def confirm(
        self, application: str, factor_id: str, code: str, actor: str, *, subject: str = "", idempotency_key: str = ""
    ) -> TotpJudgement:
        """Judge the first code of a new authenticator. From then on it counts."""
        judged, again = await self._judge_one("confirm", application, factor_id, code, subject, idempotency_key)
        if judged.outcome is FactorOutcome.APPROVED and not again:
            await self._record(Action.FACTOR_CONFIRMED, actor, application, self._place(factor_id), factor_id)
        return judged

    async def check(
        self, application: str, factor_id: str, code: str, *, subject: str = "", idempotency_key: str = ""
    ) -> TotpJudgement:
        """Judge a code of one authenticator. Exactly one call ever hears `approved` for a code."""
        judged, _ = await self._judge_one("check", application, factor_id, code, subject, idempotency_key)
        return judged

    async def tell_challenge(self, application: str, subject: str, factor_id: str, sid: str, *, approved: bool) -> None:
        """Make an event for the verdict on a challenge of the Twilio facade. A fault here does not hold back the
        verdict."""
        with contextlib.suppress(StorageUnavailable):
            place = self._names.subject(application, subject)
            await self._store.tell_challenge(application, place, factor_id, sid, approved=approved)

    async def remove(self, application: str, factor_id: str, actor: str) -> Totp:
        place = self._place(factor_id)
        if self._vault.totp(await self._subjects.read(application, place), factor_id) is None:
            raise refusals.no_factor()  # before it is written down: the log tells what was done
        await self._record(Action.FACTOR_REMOVED, actor, application, place, factor_id)
        removed = await self._store.remove(application, place, factor_id)
        totp = self._vault.totp(removed, factor_id) if removed.word == "removed" else None
        if totp is None:
            raise refusals.no_factor()
        return totp

    async def issue_backup_codes(
        self, application: str, subject: str, actor: str, idempotency_key: str = ""
    ) -> tuple[Sequence[str], BackupCodes]:
        """Ten new codes in plain form; earlier codes stop working. A repeat is shown the same codes for 10 minutes."""
        self._require_persistence()
        place = self._names.subject(application, subject)
        repeat = self._repeat(place, idempotency_key, "issue")
        fresh = backup_codes.new_codes()
        kept = new_backup()
        hashes = await self._judge.hashes(application, place, kept, fresh)
        issued = await self._store.issue(
            application,
            place,
            self._vault.seal(kept, application, place, "backup"),
            self._cost,
            self._vault.seal(" ".join(fresh).encode(), application, place, "issued", repeat.op),
            self._vault.seal(subject.encode(), application, place, "who"),
            hashes,
            repeat,
        )
        if issued.word == "mismatch":
            raise refusals.key_reused()
        state = subject_records.backup_codes(issued)
        if state is None:
            raise refusals.no_factor()
        if issued.word == "replay":
            return self._vault.open(issued.raw, application, place, "issued", repeat.op).decode().split(), state
        await self._record(Action.BACKUP_CODES_ISSUED, actor, application, place)
        return fresh, state

    async def check_subject(self, application: str, subject: str, code: str, idempotency_key: str = "") -> Judgement:
        """Judge what a person typed into the one field of a login page: its form says what it is.

        code: in its plain form (domain/factors.read). A subject that is not known has no right code.
        """
        place = self._names.subject(application, subject)
        repeat = self._repeat(place, idempotency_key, "subject", code)
        if backup_codes.is_code(code):
            outcome, settled = await self._judge.backup(application, place, code, repeat)
            left = subject_records.backup_codes(settled) if outcome is FactorOutcome.APPROVED else None
            found = Judgement(outcome, FactorKind.BACKUP_CODE, backup_codes=left)
        else:
            window = self._window(application)
            judged = await self._judge.totp(application, place, "any", "", code, window, repeat)
            totp = self._vault.totp(judged.record, judged.factor_id) if judged.factor_id else None
            found = Judgement(judged.outcome, FactorKind.TOTP, totp, seconds=judged.seconds)
        metrics.FACTOR_CHECKS.labels(application, found.kind, found.outcome).inc()
        return found

    async def overview(self, application: str, subject: str) -> Overview:
        """What the person can use."""
        return self._vault.overview(await self._subjects.read(application, self._names.subject(application, subject)))

    async def unlock(self, application: str, subject: str, actor: str) -> int:
        """Forget the wrong codes of a person; returns how many there were in a row."""
        place = self._names.subject(application, subject)
        await self._record(Action.SUBJECT_UNLOCKED, actor, application, place)
        return await self._subjects.unlock(application, place)

    async def forget(self, application: str, subject: str, actor: str) -> Overview:
        """Remove everything of a person; returns what there was."""
        place = self._names.subject(application, subject)
        if (await self._subjects.read(application, place)).record:
            await self._record(Action.SUBJECT_FORGOTTEN, actor, application, place)
        return self._vault.overview(await self._subjects.forget(application, place))

    async def _add(
        self, application: str, place: SubjectPlace, row: Row, repeat: Repeat, imported: str = ""
    ) -> SubjectAnswer[TotpEnrol]:
        factor_id = self._names.new_factor_id(place)
        kept = TotpSealed(row.generator.secret, row.name, row.label, row.issuer)
        sealed = self._vault.seal(kept, application, place, "totp", factor_id)
        who = self._vault.seal(row.subject.encode(), application, place, "who")
        generator = row.generator
        found = await self._store.enrol(
            application,
            place,
            factor_id,
            sealed,
            generator.digits,
            generator.algorithm,
            generator.period,
            who,
            repeat,
            imported,
        )
        if found.word == "mismatch" or found.word == "too_many":
            raise refusals.of_factor(found.word, found)
        return found

    async def _judge_one(
        self, mode: TotpMode, application: str, factor_id: str, code: str, subject: str, idempotency_key: str
    ) -> tuple[TotpJudgement, bool]:
        """The verdict, and whether it is the repeat of an earlier one."""
        place = self._place(factor_id)
        if subject and self._names.subject(application, subject) != place:
            raise refusals.no_factor()
        repeat = self._repeat(place, idempotency_key, mode, factor_id, code, subject)
        window = self._window(application)
        judged = await self._judge.totp(application, place, mode, factor_id, code, window, repeat)
        totp = self._vault.totp(judged.record, factor_id)
        if totp is None:
            raise refusals.no_factor()
        metrics.FACTOR_CHECKS.labels(application, FactorKind.TOTP, judged.outcome).inc()
        return TotpJudgement(judged.outcome, totp, judged.seconds), judged.again

    def _window(self, application: str) -> int:
        return self._settings.applications[application].totp_window

    def _place(self, factor_id: str) -> SubjectPlace:
        place = self._names.locate_factor(factor_id)
        if place is None:
            raise refusals.no_factor()
        return place

    def _repeat(self, place: SubjectPlace, idempotency_key: str, *body: str) -> Repeat:
        if not idempotency_key:
            return Repeat()
        return Repeat(self._names.idempotency(place.index, idempotency_key), self._names.fingerprint(*body))

    def _require_persistence(self) -> None:
        if not self._persistent:
            raise refusals.factors_refused()

    async def _record(
        self, action: Action, actor: str, application: str, place: SubjectPlace, factor_id: str = ""
    ) -> None:
        """The one place where what is done to factors is written down; the person only by the keyed index."""
        metrics.FACTORS.labels(application, action).inc()
        details = {"factor": factor_id} if factor_id else {}
        await self._audit.record(actor, action, place.index, application=application, **details)
