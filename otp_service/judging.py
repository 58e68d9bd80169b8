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
from otp_service.domain.factors import FactorOutcome, FactorStatus
from otp_service.domain.keyring import Names, SubjectPlace
from otp_service.domain.totp import Algorithm, Generator, drift_of
from otp_service.hashing import HashPool
from otp_service.storage.connection import Argument
from otp_service.storage.factors import FactorStore, verdict
from otp_service.storage.records import Repeat
from otp_service.storage.subject_records import BackupSealed, BackupState, Subject, TotpSealed, TotpState, Vault

_NOWHERE = SubjectPlace(0, "")
_DECOY = "decoy"
_THEN = 1_700_000_000_000


class Decoys:
    """Stand in for what is not there, of the same form and size: read, opened and computed like it, never matching."""

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
        state = {_DECOY: msgspec.structs.replace(self._state, digits=digits)}
        return msgspec.json.encode(state), self._totp, self._who


class Judge:
    def __init__(self, names: Names, vault: Vault, store: FactorStore, hash_pool: HashPool) -> None:
        self._names = names
        self._vault = vault
        self._store = store
        self._hash_pool = hash_pool
        self._decoys = Decoys(vault, hash_pool.cost)

    async def totp(
        self, application: str, place: SubjectPlace, mode: str, what: str, code: str, window: int, repeat: Repeat
    ) -> tuple[FactorOutcome, str, Subject]:
        """The outcome, the id of the authenticator that the code belongs to ('' for none), and the record now.

        mode, what: `confirm` or `check` and an id; `any` and a number of digits.
        """
        taken = await self._store.take(application, place, mode, what, repeat, self._decoys.totp(len(code)))
        if taken.word == "replay":
            return *verdict(taken), taken
        if taken.word == "confirmed":
            return FactorOutcome.ALREADY_CONFIRMED, what, taken
        if taken.word != "judge":
            raise refusals.of_factor(taken)
        found = None
        opened = _where_it_opens(taken)
        for factor_id in taken.extra.split(","):
            totp, state = self._vault.totp(opened, factor_id), taken.totp_state(factor_id)
            step = totp.generator.find(code, taken.now, window, state.drift) if totp and state else None
            if step is not None and found is None:
                found = (factor_id, step, drift_of(step, taken.now))
        return await self._store.settle(taken, mode, None if opened is not taken else found, repeat)

    async def backup(
        self, application: str, place: SubjectPlace, code: str, repeat: Repeat
    ) -> tuple[FactorOutcome, Subject]:
        """One argon2id computation, whatever is there. Raises Refused `busy` before anything is counted."""
        selector = self._names.selector(place, backup_codes.selector(code))
        with self._hash_pool.place():
            taken = await self._store.take_backup(application, place, selector, repeat, self._decoys.backup)
            if taken.word == "replay":
                return verdict(taken)[0], taken
            kept, state = self._vault.backup(_where_it_opens(taken)), taken.backup_state
            if taken.word != "judge" or kept is None or state is None:
                raise refusals.of_factor(taken)
            candidate = await self._digest(application, place, kept, code, Cost.parse(state.cost))
            stored = taken.record[b"b:" + selector.encode()][1:]
            matched = stored if hmac.compare_digest(candidate, stored) else b""
            return await self._store.settle_backup(taken, selector, matched, repeat)

    async def hashes(
        self, application: str, place: SubjectPlace, kept: BackupSealed, fresh: Sequence[str]
    ) -> Mapping[str, bytes]:
        """Of new backup codes, by the keyed names of their selectors."""
        cost = self._hash_pool.cost
        found = await asyncio.gather(*(self._digest(application, place, kept, code, cost) for code in fresh))
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
    return replace(taken, application="", place=_NOWHERE) if taken.extra == _DECOY else taken
