"""How a code of a second factor is judged once its attempt is counted.

What is not there is computed like what is: a subject without factors costs the same work, so its time tells nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Mapping, Sequence

from otp_service import refusals
from otp_service.domain import backup_codes, codes
from otp_service.domain.codes import Cost, Scope
from otp_service.domain.factors import FactorOutcome
from otp_service.domain.keyring import Names, SubjectPlace
from otp_service.domain.totp import Algorithm, Generator, drift_of
from otp_service.hashing import HashPool
from otp_service.storage.factors import FactorStore, verdict
from otp_service.storage.records import Repeat
from otp_service.storage.subject_records import BackupSealed, Subject, TotpSealed, Vault

_NOWHERE = SubjectPlace(0, "")


class Judge:
    def __init__(self, names: Names, vault: Vault, store: FactorStore, hash_pool: HashPool) -> None:
        self._names = names
        self._vault = vault
        self._store = store
        self._hash_pool = hash_pool
        self._decoy = new_backup()
        secret = Generator.new(6, Algorithm.SHA1).secret
        self._sealed_totp = vault.seal(TotpSealed(secret, "", "", ""), "", _NOWHERE, "totp", "")
        self._sealed_backup = vault.seal(self._decoy, "", _NOWHERE, "backup")
        self._secret = secret

    async def totp(
        self, taken: Subject, mode: str, code: str, window: int, repeat: Repeat
    ) -> tuple[FactorOutcome, str, Subject]:
        """The outcome, the id of the authenticator that the code belongs to ('' for none), and the record now."""
        if taken.word == "replay":
            return *verdict(taken), taken
        if taken.word != "judge":
            raise refusals.of_factor(taken)
        found = None
        ids = [one for one in taken.extra.split(",") if one]
        for factor_id in ids:
            totp, state = self._vault.totp(taken, factor_id), taken.totp_state(factor_id)
            step = totp.generator.find(code, taken.now, window, state.drift) if totp and state else None
            if step is not None and found is None:
                found = (factor_id, step, drift_of(step, taken.now))
        if not ids:
            for _ in ("who", "totp"):
                self._vault.open(self._sealed_totp, "", _NOWHERE, "totp", "")
            Generator(self._secret, len(code)).find(code, taken.now, window, 0)
        return await self._store.settle(taken, mode, found, repeat)

    async def backup(
        self, application: str, place: SubjectPlace, code: str, repeat: Repeat
    ) -> tuple[FactorOutcome, Subject]:
        """One argon2id computation, whatever is there. Raises Refused `busy` before anything is counted."""
        with self._hash_pool.place():
            taken = await self._store.take_backup(application, place, repeat)
            if taken.word == "replay":
                return verdict(taken)[0], taken
            if taken.word != "judge":
                raise refusals.of_factor(taken)
            state = taken.backup_state
            kept = self._vault.backup(taken)
            if kept is None or state is None:
                self._vault.open(self._sealed_backup, "", _NOWHERE, "backup")
            cost = Cost.parse(state.cost) if state else self._hash_pool.cost
            candidate = await self._digest(application, place, kept or self._decoy, code, cost)
            selector = self._names.selector(place, backup_codes.selector(code))
            stored = taken.record.get(b"b:" + selector.encode(), b"")[1:]
            matched = stored if hmac.compare_digest(candidate, stored or bytes(len(candidate))) else b""
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
