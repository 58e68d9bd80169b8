"""Authenticators and backup codes in Redis: one method for each script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otp_service.domain import factors
from otp_service.domain.codes import Cost
from otp_service.domain.factors import FactorOutcome
from otp_service.domain.keyring import SubjectPlace
from otp_service.domain.totp import Algorithm
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.records import Repeat
from otp_service.storage.subject_records import Subject
from otp_service.storage.subjects import decoy_key, lane, run, subject_key

OP_LIFE_MS = 86_400_000
ISSUE_LIFE_MS = 600_000
"""How long a repeat is shown the same backup codes; so long they are kept, sealed."""
UNSETTLED_MS = 5_000
"""An attempt that has no verdict after so long belongs to a process that died."""
_LEDGER: Sequence[Argument] = (
    factors.FAILS_THAT_WAIT, factors.FIRST_WAIT_MS, factors.LONGEST_WAIT_MS, factors.FAILS_THAT_DISABLE,
)  # fmt: skip

_ENROL, _TAKE, _SETTLE, _REMOVE, _ISSUE, _TAKE_BACKUP, _SETTLE_BACKUP = (
    Script.load(name, "_factors")
    for name in (
        "totp_enrol", "totp_take", "totp_settle", "totp_remove", "backup_issue", "backup_take", "backup_settle",
    )
)  # fmt: skip


class FactorStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def enrol(
        self,
        application: str,
        place: SubjectPlace,
        factor_id: str,
        sealed: bytes,
        digits: int,
        algorithm: Algorithm,
        who: bytes,
        repeat: Repeat,
        imported: str = "",
    ) -> Subject:
        """who: the caller's id of the person, sealed. Words: enrolled, replay, known, mismatch, too_many."""
        args: list[Argument] = [
            application, factor_id, sealed, digits, algorithm, imported, repeat.fingerprint, OP_LIFE_MS,
            factors.UNCONFIRMED_MS, factors.MOST_TOTP, who,
        ]  # fmt: skip
        return await self._run(_ENROL, application, place, [subject_key(place), _op(place, repeat), *lane(place)], args)

    async def take(
        self, application: str, place: SubjectPlace, mode: str, what: str, repeat: Repeat, decoy: Sequence[Argument]
    ) -> Subject:
        """Count one attempt. mode, what: `confirm` or `check` and an id; `any` and a number of digits."""
        args: list[Argument] = [application, mode, what, repeat.fingerprint, OP_LIFE_MS, UNSETTLED_MS, *_LEDGER, *decoy]
        names = [subject_key(place), _op(place, repeat), decoy_key(place)]
        return await self._run(_TAKE, application, place, names, args, confirm=bool(repeat.op))

    async def settle(
        self, taken: Subject, mode: str, found: tuple[str, int, int] | None, repeat: Repeat
    ) -> tuple[FactorOutcome, str, Subject]:
        """Turn a judged attempt into its outcome and the id it is about. found: id, step and drift of a right code."""
        judged = [one for one in taken.extra.split(",") if one]
        factor_id, step, drift = found or ("", 0, 0)
        args: list[Argument] = [
            mode, factor_id, step, drift, repeat.fingerprint, OP_LIFE_MS, factors.FAILS_THAT_DISABLE, *judged,
        ]  # fmt: skip
        names = [subject_key(taken.place), _op(taken.place, repeat), *lane(taken.place)]
        settled = await self._run(_SETTLE, taken.application, taken.place, names, args)
        return *verdict(settled), settled

    async def remove(self, application: str, place: SubjectPlace, factor_id: str) -> Subject:
        """Words: removed (with what there was), not_found."""
        return await self._run(
            _REMOVE, application, place, [subject_key(place), *lane(place)], [application, factor_id]
        )

    async def issue(
        self,
        application: str,
        place: SubjectPlace,
        sealed: bytes,
        cost: Cost,
        for_repeat: bytes,
        who: bytes,
        hashes: Mapping[str, bytes],
        repeat: Repeat,
    ) -> Subject:
        """hashes: by selector. Words: issued, replay (raw: the codes, sealed), mismatch."""
        args: list[Argument] = [application, sealed, str(cost), for_repeat, repeat.fingerprint, ISSUE_LIFE_MS, who]
        args += [part for pair in hashes.items() for part in pair]
        return await self._run(_ISSUE, application, place, [subject_key(place), _op(place, repeat), *lane(place)], args)

    async def take_backup(
        self, application: str, place: SubjectPlace, selector: str, repeat: Repeat, decoy: Sequence[Argument]
    ) -> Subject:
        args: list[Argument] = [application, repeat.fingerprint, OP_LIFE_MS, UNSETTLED_MS, *_LEDGER, selector, *decoy]
        names = [subject_key(place), _op(place, repeat), decoy_key(place)]
        return await self._run(_TAKE_BACKUP, application, place, names, args, confirm=bool(repeat.op))

    async def settle_backup(
        self, taken: Subject, selector: str, matched: bytes, repeat: Repeat
    ) -> tuple[FactorOutcome, Subject]:
        """matched: the stored hash that the code has, b'' for none."""
        args: list[Argument] = [selector, matched, repeat.fingerprint, OP_LIFE_MS, factors.FAILS_THAT_DISABLE]
        names = [subject_key(taken.place), _op(taken.place, repeat), *lane(taken.place)]
        settled = await self._run(_SETTLE_BACKUP, taken.application, taken.place, names, args)
        return FactorOutcome(settled.extra), settled

    async def _run(
        self,
        script: Script,
        application: str,
        place: SubjectPlace,
        names: Sequence[str],
        args: Sequence[Argument],
        *,
        confirm: bool = True,
    ) -> Subject:
        return await run(self._database, script, application, place, names, args, confirm=confirm)


def verdict(answered: Subject) -> tuple[FactorOutcome, str]:
    """A verdict as it is kept: the outcome and, where one matched, the id."""
    outcome, _, factor_id = answered.extra.partition(":")
    return FactorOutcome(outcome), factor_id


def _op(place: SubjectPlace, repeat: Repeat) -> str:
    """Without an Idempotency-Key there is no such record; its name has to be of the same slot all the same."""
    return keys.subject_op(place.partition, repeat.op or "none")
