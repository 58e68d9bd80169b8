"""Verifications in Redis: one method for each script, in the order of a verification's life."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from otp_service.domain.codes import SALT_BYTES, Cost
from otp_service.domain.keyring import Keyring, Keys, Names
from otp_service.domain.lifecycle import LEAST_LIFE_SECONDS, LIFE_CAP_SECONDS
from otp_service.domain.phone import Number
from otp_service.settings import Application
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.records import Opening, Repeat, Settling, Stored, read

# Consecutive wrong codes of one phone (NIST SP 800-63B-4 §3.2.2): from 20 on it waits, at 100 it is disabled.
FAILS_THAT_WAIT = 20
FAILS_THAT_DISABLE = 100
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000
UNSETTLED_MS = 5_000
"""An attempt that has no verdict after so long belongs to a process that died."""

_START, _PROGRESS, _RESEND, _TAKE_OVER, _TAKE_ATTEMPT, _SETTLE, _CANCEL, _READ = map(
    Script.load, ("start", "progress", "resend", "take_over", "take_attempt", "settle", "cancel", "read")
)


class VerificationStore:
    def __init__(self, database: Database, keyring: Keyring, names: Names, retention_seconds: int) -> None:
        self._database = database
        self._keyring = keyring
        self._names = names
        self._retention_ms = retention_seconds * 1000

    async def start(
        self,
        verification_id: str,
        application: str,
        policy: Application,
        phone: str,
        *,
        purpose: str,
        channel: str,
        locale: str,
        platform: str,
        reference: str,
        number: Number,
        cost: Cost,
        lease_seconds: float,
        first: Opening | None,
    ) -> Stored:
        """Make a verification and count its first send. Words: created, exists, too_soon, disabled."""
        sealed_under = self._keyring.current
        record: dict[str, Argument] = {
            "application": application,
            "phone": sealed_under.seal(phone.encode(), verification_id.encode()),
            "key_id": sealed_under.id,
            "salt": secrets.token_bytes(SALT_BYTES),
            "cost": str(cost),
            "code_length": policy.code_length,
            "purpose": purpose,
            "channel": channel,
            "locale": locale,
            "platform": platform,
            "reference": reference,
            "operator": number.operator,
            "operator_region": number.region,
            "max_attempts": policy.max_attempts,
            "max_sends": policy.max_sends,
        }
        place = self._place(verification_id)
        return await self._run(
            _START,
            verification_id,
            [place.verification, place.pause, place.fails, place.due],
            [
                verification_id,
                policy.ttl_seconds * 1000,
                self._retention_ms,
                int(lease_seconds * 1000),
                _pauses(policy),
                FAILS_THAT_DISABLE,
                first.gateway if first else "",
                first.channel if first else "",
                first.client_id if first else "",
                *(part for pair in record.items() for part in pair),
            ],
        )

    async def progress(
        self,
        verification_id: str,
        *,
        settled: Settling | None = None,
        opened: Opening | None = None,
        then: str = "go on",
    ) -> Stored:
        """Write what became of one message, and open the next or end the walk (`done`, `fail`). Words: ok, closed."""
        place = self._place(verification_id)
        return await self._run(
            _PROGRESS,
            verification_id,
            [place.verification, place.pause, place.due],
            [
                verification_id,
                settled.number if settled else "",
                settled.status if settled else "",
                ",".join(settled.status.predecessors) if settled else "",
                settled.provider_id if settled else "",
                settled.parts if settled else 0,
                settled.reason if settled else "",
                settled.gateway_hash if settled else "",
                opened.number if opened else "",
                opened.gateway if opened else "",
                opened.channel if opened else "",
                opened.client_id if opened else "",
                opened.code_source if opened else "",
                opened.local_hash if opened else "",
                then,
            ],
            confirm=then != "go on",
        )

    async def resend(
        self, verification_id: str, application: str, policy: Application, repeat: Repeat, lease_seconds: float
    ) -> Stored:
        """Claim one more send. Words: see resend.lua."""
        place = self._place(verification_id)
        return await self._run(
            _RESEND,
            verification_id,
            [place.verification, place.pause, place.fails, place.due],
            [
                verification_id,
                application,
                repeat.op,
                repeat.fingerprint,
                policy.ttl_seconds * 1000,
                LIFE_CAP_SECONDS * 1000,
                LEAST_LIFE_SECONDS * 1000,
                int(lease_seconds * 1000),
                _pauses(policy),
                FAILS_THAT_DISABLE,
            ],
            confirm=bool(repeat.op),  # it may be a replay, and then this is the request's last write
        )

    async def take_over(self, verification_id: str, lease_seconds: float, walk: str) -> Stored:
        """Go on with a walk (of the `start`, or `any`) that may have died. Words: done, running, taken_over, absent."""
        place = self._place(verification_id)
        return await self._run(
            _TAKE_OVER,
            verification_id,
            [place.verification, place.due],
            [verification_id, int(lease_seconds * 1000), walk],
            confirm=True,
        )

    async def take_attempt(self, verification_id: str, application: str, purpose: str, repeat: Repeat) -> Stored:
        """Count one attempt. Words: see take_attempt.lua."""
        place = self._place(verification_id)
        return await self._run(
            _TAKE_ATTEMPT,
            verification_id,
            [place.verification, place.fails],
            [
                application,
                purpose,
                repeat.op,
                repeat.fingerprint,
                UNSETTLED_MS,
                FAILS_THAT_WAIT,
                FIRST_WAIT_MS,
                LONGEST_WAIT_MS,
                FAILS_THAT_DISABLE,
            ],
            confirm=bool(repeat.op),
        )

    async def settle(self, verification_id: str, matched: bool, repeat: Repeat) -> Stored:
        """Turn a judged attempt into its outcome, in `extra`."""
        place = self._place(verification_id)
        return await self._run(
            _SETTLE,
            verification_id,
            [place.verification, place.fails, place.pause, place.due],
            [verification_id, "1" if matched else "0", repeat.op, repeat.fingerprint],
            confirm=True,
        )

    async def cancel(self, verification_id: str, application: str) -> Stored:
        place = self._place(verification_id)
        return await self._run(
            _CANCEL, verification_id, [place.verification, place.due], [verification_id, application], confirm=True
        )

    async def read(self, verification_id: str, application: str) -> Stored:
        return await self._run(_READ, verification_id, [self._place(verification_id).verification], [application])

    def keys_of(self, stored: Stored) -> Keys:
        """The keys that a pending verification was made under. Without them it reads as expired (records.py)."""
        keys_found = self._keyring.get(stored.key_id)
        if keys_found is None:
            raise LookupError(f"root secret {stored.key_id} is no longer listed")
        return keys_found

    async def _run(
        self, script: Script, verification_id: str, names: list[str], args: list[Argument], *, confirm: bool = False
    ) -> Stored:
        reply = await self._database.run(script, names, args, confirm=confirm)
        return read(reply, verification_id, self._keyring)

    def _place(self, verification_id: str) -> _Place:
        located = self._names.locate(verification_id)
        if located is None:
            raise ValueError("not an id of ours; look with Names.locate first")
        partition, phone_index = located
        return _Place(
            keys.verification(partition, verification_id),
            keys.pause(partition, phone_index),
            keys.fails(partition, phone_index),
            keys.due(partition),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """The keys of one verification and its phone, all in one slot."""

    verification: str
    pause: str
    fails: str
    due: str


def _pauses(policy: Application) -> str:
    return ",".join(str(seconds * 1000) for seconds in policy.resend_pause_seconds)
