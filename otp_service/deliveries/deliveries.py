"""Codes that somebody else made: hand one over, look what became of it, report that it was entered.

A delivery is a verification that nobody judges here. It is started, limited, paid, walked, tracked and replaced by the
very same steps; what it says is kept sealed until it has arrived or its life is over.
"""

from __future__ import annotations

import asyncio

from otp_service import refusals
from otp_service.admission import Admission
from otp_service.domain import texts
from otp_service.domain.keyring import Names
from otp_service.domain.requests import StartRequest
from otp_service.domain.segments import measure
from otp_service.domain.verifications import Verification, delivery_id, inside
from otp_service.errors import Refused
from otp_service.storage.verifications import VerificationStore
from otp_service.verifications.lookup import Lookup
from otp_service.verifications.verifications import Verifications

MOST_PARTS = 2
ASK_AGAIN_SECONDS = 0.2


class Deliveries:
    def __init__(
        self,
        names: Names,
        store: VerificationStore,
        lookup: Lookup,
        verifications: Verifications,
        admission: Admission,
    ) -> None:
        self._names = names
        self._store = store
        self._lookup = lookup
        self._verifications = verifications
        self._admission = admission
        self._behind: set[asyncio.Task[str]] = set()

    async def send(self, application: str, order: StartRequest, idempotency_key: str = "") -> Verification:
        """Hand a code or a text over. order: a delivery. Raises Refused."""
        _refuse_unfit(order)
        try:
            return await self._verifications.start(application, order, idempotency_key)
        except Refused as refusal:
            if found := refusal.extra.pop("verification_id", None):
                refusal.extra["delivery_id"] = delivery_id(str(found))
            raise

    async def send_within(self, application: str, order: StartRequest, idempotency_key: str, seconds: float) -> str:
        """As `send`, answered within so many seconds, whatever gateways do; returns the public id.

        Once it is recorded it goes out: if no gateway has answered by then, the walk goes on behind the answer, and if
        this process dies, a worker goes on with it. A repeat waits for the first one, and is answered with its id.
        Raises Refused; `busy` where it could not be recorded in time.
        """
        recorded: list[str] = []
        task = asyncio.create_task(self._sent(application, order, idempotency_key, recorded), name="delivery")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        if recorded:
            task.add_done_callback(_heard)
            return delivery_id(recorded[-1])
        task.cancel()
        raise Refused("busy", "The delivery could not be recorded in time; try again.", retry_after=1)

    def fingerprint(self, *parts: str) -> str:
        """Stands for what makes two requests the same, as an Idempotency-Key; holds nothing of it."""
        return self._names.fingerprint(*parts)

    async def close(self) -> None:
        """Wait for the walks that go on behind their answers; each ends by its own deadline."""
        if self._behind:
            await asyncio.wait(self._behind)

    async def status(self, application: str, public_id: str, wait: float = 0, known: str = "") -> Verification:
        """As Lookup.status."""
        return await self._lookup.status(application, inside(public_id), wait, known, delivery=True)

    async def converted(self, application: str, public_id: str) -> Verification:
        """The code was entered, says the caller. Repeating it changes nothing. Raises Refused `not_found`."""
        found = inside(public_id)
        if self._names.locate(found) is None:
            raise refusals.not_found()
        stored = await self._store.convert(found, application)
        if stored.word == "not_found":
            raise refusals.not_found()
        if stored.word == "converted":
            await self._admission.converted(stored)
        return stored.verification

    async def _sent(self, application: str, order: StartRequest, key: str, recorded: list[str]) -> str:
        _refuse_unfit(order)
        while True:
            try:
                found = await self._verifications.start(application, order, key, recorded=recorded.append)
            except Refused as refusal:
                first = str(refusal.extra.get("verification_id", ""))
                if refusal.code != "request_in_progress" or not first:
                    raise
                if not recorded:
                    recorded.append(first)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                return delivery_id(found.id)


def _refuse_unfit(order: StartRequest) -> None:
    """A text that is too long, or holds what has no place in an SMS. Raises Refused `validation_failed`."""
    text = order.content.text
    if not text:
        return
    fault = texts.character_fault(text.replace("\n", ""))
    if not fault and measure(text).parts > MOST_PARTS:
        fault = f"takes more than {MOST_PARTS} SMS"
    if fault:
        errors = [{"field": "text", "message": fault}]
        raise Refused("validation_failed", "Not understood: text.", extra={"errors": errors})


def _heard(task: asyncio.Task[str]) -> None:
    """What a walk behind its answer came to stands in the record; here it is only taken note of."""
    if not task.cancelled():
        task.exception()
