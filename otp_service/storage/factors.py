"""Authenticators and backup codes in Redis: one method for each script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otp_service.domain import factors, ledger
from otp_service.domain.codes import Cost
from otp_service.domain.factors import FactorOutcome
from otp_service.domain.keyring import SubjectPlace
from otp_service.domain.totp import Algorithm, ClockOff
from otp_service.domain.value import Value
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.records import Repeat
from otp_service.storage.script import W_co
from otp_service.storage.subject_records import Subject, SubjectAnswer
from otp_service.storage.subjects import decoy_key, lane, run, subject_key

OP_LIFE_MS = 86_400_000
ISSUE_LIFE_MS = 600_000
"""How long a repeat is shown the same backup codes; so long they are kept, sealed."""
_LEDGER: Sequence[Argument] = (
    ledger.UNSETTLED_MS, ledger.FAILS_THAT_WAIT, ledger.FIRST_WAIT_MS, ledger.LONGEST_WAIT_MS,
    ledger.FAILS_THAT_DISABLE,
)  # fmt: skip

_ENROL: Script[words.TotpEnrol] = Script.load("subject/totp_enrol")
_TAKE: Script[words.TotpTake] = Script.load("subject/totp_take")
_SETTLE: Script[words.TotpSettle] = Script.load("subject/totp_settle")
_REMOVE: Script[words.TotpRemove] = Script.load("subject/totp_remove")
_ISSUE: Script[words.BackupIssue] = Script.load("subject/backup_issue")
_TAKE_BACKUP: Script[words.BackupTake] = Script.load("subject/backup_take")
_SETTLE_BACKUP: Script[words.BackupSettle] = Script.load("subject/backup_settle")


class Verdict(Value):
    """factor_id: the authenticator that it is about, '' for none. seconds: of `clock_off`. record: as it is now.

    again: it was given before, and is repeated to a request that was.
    """

    outcome: FactorOutcome
    factor_id: str
    seconds: int
    record: Subject
    again: bool = False


_CHALLENGE = Script.load("subject/challenge")


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
        period: int,
        who: bytes,
        repeat: Repeat,
        imported: str = "",
    ) -> SubjectAnswer[words.TotpEnrol]:
        """who: the caller's id of the person, sealed."""
        args: list[Argument] = [
            application, factor_id, sealed, digits, algorithm, imported, repeat.fingerprint, OP_LIFE_MS,
            factors.UNCONFIRMED_MS, factors.MOST_TOTP, who, period,
        ]  # fmt: skip
        return await self._run(_ENROL, application, place, [subject_key(place), _op(place, repeat), *lane(place)], args)

    async def take(
        self,
        application: str,
        place: SubjectPlace,
        mode: words.TotpMode,
        factor_id: str,
        digits: int,
        repeat: Repeat,
        decoy: Sequence[Argument],
    ) -> SubjectAnswer[words.TotpTake]:
        """Count one attempt at one authenticator, or at `any` whose codes have so many digits. digits: of the code."""
        args: list[Argument] = [
            application, mode, digits if mode == "any" else factor_id, repeat.fingerprint, OP_LIFE_MS, *_LEDGER,
            digits, *decoy,
        ]  # fmt: skip
        names = [subject_key(place), _op(place, repeat), decoy_key(place)]
        return await self._run(_TAKE, application, place, names, args, confirm=bool(repeat.op))

    async def settle(
        self,
        taken: Subject,
        mode: words.TotpMode,
        found: tuple[str, int, int] | None,
        elsewhen: tuple[str, ClockOff] | None,
        repeat: Repeat,
    ) -> Verdict:
        """Turn a judged attempt into its outcome.

        found: id, step and drift of a right code. elsewhen: whose code it is at another time, where it is no right one.
        """
        judged = [one for one in taken.detail.split(",") if one]
        factor_id, step, drift = found or ("", 0, 0)
        other_id, off = elsewhen or ("", ClockOff(0, 0))
        args: list[Argument] = [
            mode, factor_id, step, drift, repeat.fingerprint, OP_LIFE_MS, ledger.FAILS_THAT_DISABLE,
            other_id, off.step, off.seconds, *judged,
        ]  # fmt: skip
        names = [subject_key(taken.place), _op(taken.place, repeat), *lane(taken.place)]
        return verdict(await self._run(_SETTLE, taken.application, taken.place, names, args))

    async def remove(self, application: str, place: SubjectPlace, factor_id: str) -> SubjectAnswer[words.TotpRemove]:
        """Returns what there was."""
        return await self._run(
            _REMOVE, application, place, [subject_key(place), *lane(place)], [application, factor_id]
        )

    async def tell_challenge(
        self, application: str, place: SubjectPlace, factor_id: str, sid: str, *, approved: bool
    ) -> None:
        """That a code was judged in a challenge of the Twilio facade."""
        word: words.Challenge = "challenge.approved" if approved else "challenge.denied"
        args: list[Argument] = [application, factor_id, sid, word]
        await self._database.run(_CHALLENGE, [subject_key(place), *lane(place)], args)

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
    ) -> SubjectAnswer[words.BackupIssue]:
        """hashes: by selector. For a replay `raw` holds the codes, sealed."""
        args: list[Argument] = [application, sealed, str(cost), for_repeat, repeat.fingerprint, ISSUE_LIFE_MS, who]
        args += [part for pair in hashes.items() for part in pair]
        return await self._run(_ISSUE, application, place, [subject_key(place), _op(place, repeat), *lane(place)], args)

    async def take_backup(
        self, application: str, place: SubjectPlace, selector: str, repeat: Repeat, decoy: Sequence[Argument]
    ) -> SubjectAnswer[words.BackupTake]:
        args: list[Argument] = [
            application,
            repeat.fingerprint,
            OP_LIFE_MS,
            *_LEDGER,
            selector,
            *decoy,
        ]
        names = [subject_key(place), _op(place, repeat), decoy_key(place)]
        return await self._run(_TAKE_BACKUP, application, place, names, args, confirm=bool(repeat.op))

    async def settle_backup(
        self, taken: Subject, selector: str, matched: bytes, repeat: Repeat
    ) -> tuple[FactorOutcome, Subject]:
        """matched: the stored hash that the code has, b'' for none."""
        args: list[Argument] = [selector, matched, repeat.fingerprint, OP_LIFE_MS, ledger.FAILS_THAT_DISABLE]
        names = [subject_key(taken.place), _op(taken.place, repeat), *lane(taken.place)]
        settled = await self._run(_SETTLE_BACKUP, taken.application, taken.place, names, args)
        return FactorOutcome(settled.detail), settled

    async def _run(
        self,
        script: Script[W_co],
        application: str,
        place: SubjectPlace,
        names: Sequence[str],
        args: Sequence[Argument],
        *,
        confirm: bool = True,
    ) -> SubjectAnswer[W_co]:
        return await run(self._database, script, application, place, names, args, confirm=confirm)


def verdict(answered: Subject, *, again: bool = False) -> Verdict:
    """A verdict as scripts answer it: the outcome, where one matched the id, and the seconds of `clock_off`."""
    outcome, factor_id, seconds = (*answered.detail.split(":"), "", "")[:3]
    return Verdict(FactorOutcome(outcome), factor_id, int(seconds or 0), answered, again)


def _op(place: SubjectPlace, repeat: Repeat) -> str:
    """Without an Idempotency-Key there is no such record; its name has to be of the same slot all the same."""
    return keys.subject_op(place.partition, repeat.op or "none")
