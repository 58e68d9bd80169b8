"""How a code of a second factor is judged once its attempt is counted.

What is not there is computed like what is: for a subject without factors a decoy is judged, so its time tells nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from otp_service import refusals
from otp_service.domain import backup_codes, codes
from otp_service.domain.codes import Cost, Scope
from otp_service.domain.factors import MOST_TOTP, FactorOutcome, FactorStatus
from otp_service.domain.keyring import Names, SubjectPlace
from otp_service.domain.totp import Algorithm, Generator
from otp_service.hash_pool import HashPool
from otp_service.storage.connection import Argument
from otp_service.storage.factors import FactorStore, Verdict, verdict
from otp_service.storage.records import Repeat
from otp_service.storage.subject_records import BackupSealed, BackupState, Subject, TotpSealed, TotpState, Vault
from otp_service.storage.words import TotpMode

_NOWHERE = SubjectPlace(0, "")
_DECOY = "decoy"
_THEN = 1_700_000_000_000


class Decoys:
    """Made-up factors of people who have none, of the same form and size as real ones: read, decrypted and computed in
    the same way, and never matching."""

    def __init__(self, vault: Vault, cost: Cost) -> None:
        secret = Generator.new(6, Algorithm.SHA1).secret
        self._who = vault.seal(b"user-00000000", "", _NOWHERE, "who")
        self._totp = vault.seal(TotpSealed(secret, "", "user-00000000", "Example"), "", _NOWHERE, "totp", _DECOY)
        self._state = TotpState(FactorStatus.CONFIRMED, 6, Algorithm.SHA1, _THEN, _THEN, _THEN, 0, 0, 0, 0)
        backup = BackupState(_THEN, 0, backup_codes.COUNT, str(cost), 0)
        self.backup: Sequence[Argument] = (
            msgspec.json.encode(backup),
            vault.seal(new_backup(), "", _NOWHERE, "backup"),
            b"l" + secrets.token_bytes(codes.HASH_BYTES),
        )

    def totp(self, digits: int) -> Sequence[Argument]:
        return self._states(digits), self._totp, self._who

    def compute(self, vault: Vault, code: str, now_ms: int, window: int) -> None:
        """Compute as much as one authenticator takes whose code does not match."""
        record = {b"who": self._who, b"s": self._states(len(code)), b"t:" + _DECOY.encode(): self._totp}
        totp = vault.totp(Subject(_DECOY.encode(), now_ms, _NOWHERE, "", record), _DECOY)
        if totp:
            totp.generator.find(code, now_ms, window, 0)

    def _states(self, digits: int) -> bytes:
        return msgspec.json.encode({_DECOY: replace(self._state, digits=digits)})


class Judge:
    def __init__(self, names: Names, vault: Vault, store: FactorStore, hash_pool: HashPool) -> None:
        self._names = names
        self._vault = vault
        self._store = store
        self._hash_pool = hash_pool
        self._decoys = Decoys(vault, hash_pool.lasting_cost)

    async def totp(
        self,
        application: str,
        place: SubjectPlace,
        mode: TotpMode,
        factor_id: str,
        code: str,
        window: int,
        repeat: Repeat,
    ) -> Verdict:
        """Judge a code of one authenticator, or of `any` that a subject has."""
        decoy = self._decoys.totp(len(code))
        taken = await self._store.take(application, place, mode, factor_id, len(code), repeat, decoy)
        if taken.word == "replay":
            return verdict(taken, again=True)
        if taken.word == "confirmed":
            return Verdict(FactorOutcome.ALREADY_CONFIRMED, factor_id, 0, taken)
        if taken.word != "judge":
            raise refusals.of_factor(taken.word, taken)
        enrolment = mode == "confirm"
        opened = _where_it_opens(taken)
        states = taken.totp_states
        judged = [(each, self._vault.totp(opened, each, states)) for each in taken.detail.split(",")]
        found = elsewhen = None
        for each, totp in judged:
            state = states.get(each)
            if totp is None or state is None:
                continue
            generator = totp.generator
            wide = generator.enrolment_window(window) if enrolment else window
            step = generator.find(code, taken.now, wide, state.drift)
            if step is not None and found is None:
                found = (each, step, generator.drift_of(step, taken.now))
        if mode == "any":  # as many computations whatever is there
            for _ in range(MOST_TOTP - len(judged)):
                self._decoys.compute(self._vault, code, taken.now, window)
        if found is None:
            # Looked for at one of them, the one that was used last: it costs more than all the rest together.
            there = [(totp.used_at, each, totp) for each, totp in judged if totp]
            for _, each, totp in sorted(there, key=lambda one: one[:2])[-1:]:
                off = totp.generator.clock_off(code, taken.now, enrolment=enrolment)
                elsewhen = (each, off) if off else None
        if opened is not taken:
            found = elsewhen = None
        return await self._store.settle(taken, mode, found, elsewhen, repeat)

    async def backup(
        self, application: str, place: SubjectPlace, code: str, repeat: Repeat
    ) -> tuple[FactorOutcome, Subject]:
        """One argon2id computation, whatever is there. Raises Refused `busy` before anything is counted."""
        selector = self._names.selector(place, backup_codes.selector(code))
        with self._hash_pool.ticket():
            taken = await self._store.take_backup(application, place, selector, repeat, self._decoys.backup)
            if taken.word == "replay":
                return verdict(taken).outcome, taken
            if taken.word != "judge":
                raise refusals.of_factor(taken.word, taken)
            kept, state = self._vault.backup(_where_it_opens(taken)), taken.backup_state
            if kept is None or state is None:
                raise refusals.no_factor()
            # A set that was hashed at another cost takes as long as one of today, which a decoy is.
            costs = dict.fromkeys((Cost.parse(state.cost), self._hash_pool.lasting_cost))
            candidate, *_ = await asyncio.gather(
                *(self._digest(application, place, kept, code, cost) for cost in costs)
            )
            stored = taken.record[b"b:" + selector.encode()][1:]
            matched = stored if hmac.compare_digest(candidate, stored) else b""
            return await self._store.settle_backup(taken, selector, matched, repeat)

    async def hashes(
        self, application: str, place: SubjectPlace, kept: BackupSealed, fresh: Sequence[str]
    ) -> Mapping[str, bytes]:
        """Of new backup codes, by the keyed names of their selectors. One at a time: each takes a thread for ten times
        as long as a check, and checks are waited for by people."""
        cost = self._hash_pool.lasting_cost
        found = [await self._digest(application, place, kept, code, cost) for code in fresh]
        selectors = (self._names.selector(place, backup_codes.selector(code)) for code in fresh)
        return dict(zip(selectors, found, strict=True))

    async def _digest(self, application: str, place: SubjectPlace, kept: BackupSealed, code: str, cost: Cost) -> bytes:
        scope = Scope(application, "backup-code", place.index, backup_codes.selector(code))
        return await self._hash_pool.digest(kept.pepper, scope, code, kept.salt, cost)


def new_backup() -> BackupSealed:
    """What a set of backup codes is hashed with."""
    return BackupSealed(secrets.token_bytes(32), secrets.token_bytes(codes.SALT_BYTES))


def _where_it_opens(taken: Subject) -> Subject:
    """A decoy is sealed for nobody."""
    return replace(taken, application="", place=_NOWHERE) if taken.detail == _DECOY else taken
