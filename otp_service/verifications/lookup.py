"""Verifications as they are now: one by its id, also waiting for it to change, or all of a phone."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from otp_service import load, refusals
from otp_service.domain import advice, recipients
from otp_service.domain.keyring import Names
from otp_service.domain.verifications import Verification, disguised
from otp_service.settings import Settings
from otp_service.storage.verifications import VerificationStore

LOOK_SECONDS = 0.25
"""How often Redis is asked for changes, once for all requests of this process that wait."""
MOST_WAITING = 1000


class Waiting:
    """Requests that wait for a verification to change. stopping: whether the process is about to end; then nobody is
    kept waiting."""

    def __init__(self, store: VerificationStore, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._stopping = stopping
        self._waiting: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None

    async def change(self, verification_id: str, revision: int, seconds: float) -> None:
        """Return when the verification has another revision, or after `seconds`. At once where too many wait.

        Raises StorageUnavailable.
        """
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[verification_id][changed] = revision
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="waiting")
        try:
            with load.away():
                async with asyncio.timeout(seconds):
                    await changed
        except TimeoutError:
            pass
        finally:
            del self._waiting[verification_id][changed]
            if not self._waiting[verification_id]:
                del self._waiting[verification_id]

    async def _look(self) -> None:
        while self._waiting:
            ids = list(self._waiting)
            try:
                revisions = await self._store.revisions(ids)
            except Exception as error:  # raised again in each waiting request
                for changed in (changed for waiting in self._waiting.values() for changed in waiting):
                    if not changed.done():
                        changed.set_exception(error)
                return
            for verification_id, now in zip(ids, revisions, strict=True):
                for changed, revision in self._waiting.get(verification_id, {}).items():
                    if (now != revision or self._stopping()) and not changed.done():
                        changed.set_result(None)
            await asyncio.sleep(LOOK_SECONDS)


class Lookup:
    """patience_ms: of a gateway's messages, as of `advice`."""

    def __init__(
        self,
        settings: Settings,
        names: Names,
        store: VerificationStore,
        waiting: Waiting,
        patience_ms: Callable[[str], int],
    ) -> None:
        self._patience_ms = patience_ms
        self._settings = settings
        self._names = names
        self._store = store
        self._waiting = waiting

    async def status(
        self, application: str, verification_id: str, wait: float = 0, known: str = "", *, delivery: bool = False
    ) -> Verification:
        """wait: seconds to wait for a change, unless its state is another than the `known` one (a tag) already."""
        if self._names.locate(verification_id) is None:
            raise refusals.not_found()
        stored = await self._store.read(verification_id, application, delivery=delivery)
        found = disguised(stored.verification) if stored.word == "ok" else None
        if found and wait and not found.over and known in ("", found.tag):
            await self._waiting.change(verification_id, found.revision, wait)
            stored = await self._store.read(verification_id, application, delivery=delivery)
        if stored.word == "not_found":
            raise refusals.not_found()
        return stored.verification

    async def of_phone(self, application: str, to: str, *, deliveries: bool = False) -> list[Verification]:
        """A phone's verifications of the application, newest first, while they are kept; its deliveries, if asked."""
        recipient = recipients.read_any(to, self._settings.applications[application].region).text
        return [
            stored.verification for stored in await self._store.of_phone(application, recipient, deliveries=deliveries)
        ]

    def advice(self, found: Verification) -> str:
        """What to do where no code came."""
        return advised(self._settings, found, self._patience_ms)


def advised(settings: Settings, found: Verification, patience_ms: Callable[[str], int]) -> str:
    """The advice for a verification as its caller sees it, so that a decoy shows nothing (rules: domain/advice.py)."""
    takes_claims = settings.applications[found.application].assurance == "claimed"
    inbound = bool(settings.inbound.number) and takes_claims
    return advice.advice(disguised(found), list(settings.routes), inbound=inbound, patience_ms=patience_ms)
