"""Verifications as Twilio's clients think of them: one pending for each phone of a service, made or sent once more."""

from __future__ import annotations

from msgspec.structs import replace

from otp_service import refusals
from otp_service.domain import phone, sids
from otp_service.domain.keyring import Names
from otp_service.domain.requests import StartRequest
from otp_service.domain.verifications import LIFE_CAP_SECONDS, Status, Verification
from otp_service.settings import Settings
from otp_service.storage.idempotency import IdempotencyStore
from otp_service.storage.twilio import TwilioStore
from otp_service.storage.verifications import VerificationStore
from otp_service.verifications.verifications import Verifications

TRIES = 5
PAGE = 200
NOW = 2**53
"""Later than any moment in milliseconds."""
AS_LONG_AS_KEPT = float("inf")


class ServiceVerifications:
    def __init__(
        self,
        settings: Settings,
        names: Names,
        store: VerificationStore,
        idempotency: IdempotencyStore,
        twilio: TwilioStore,
        verifications: Verifications,
    ) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._idempotency = idempotency
        self._twilio = twilio
        self._verifications = verifications

    async def send(self, application: str, order: StartRequest, idempotency_key: str = "") -> Verification:
        """Start a verification, or resend the one that is pending. Two at once never make two. Raises Refused."""
        e164 = self._e164(application, order.to)
        if idempotency_key and (found := await self._resent(application, order, e164, idempotency_key)):
            return found
        for _ in range(TRIES):
            newest, seen = await self._store.newest(
                application, e164, lambda one: one.service == order.service, AS_LONG_AS_KEPT
            )
            if newest and newest.verification.status is Status.PENDING:
                verification_id = newest.verification.id
                if idempotency_key:
                    claim = await self._idempotency.claim(
                        *self._record(application, order, e164, idempotency_key), verification_id, 0
                    )
                    if claim.word == "mismatch":  # it came with the start
                        return await self._verifications.start(application, order, idempotency_key)
                return await self._verifications.resend(
                    application, verification_id, "", idempotency_key, buckets=order.buckets
                )
            try:
                found = await self._verifications.start(application, replace(order, seen=seen), idempotency_key)
            except refusals.Raced:
                continue
            await self._twilio.list_verification(application, found.id, found.created_at)
            return found
        raise refusals.Raced

    async def of_phone(self, application: str, service: str, to: str) -> Verification | None:
        """The newest of a phone, whatever became of it. Raises Refused `invalid_phone`."""
        e164 = self._e164(application, to)
        newest, _ = await self._store.newest(application, e164, lambda one: one.service == service, AS_LONG_AS_KEPT)
        return newest.verification if newest else None

    async def of_sid(self, application: str, service: str, sid: str) -> Verification | None:
        if not sids.is_sid(sid, "VE"):
            return None
        for verification_id in await self._store.ids_at(*sids.locate(self._names, sid)):
            if sids.of_verification(self._names, verification_id) == sid:
                stored = await self._store.read(verification_id, application)
                found = stored.verification if stored.word == "ok" else None
                return found if found and found.service == service else None
        return None

    async def cancel_all(self, application: str, service: str) -> None:
        """End the pending verifications of a service that is removed."""
        start = 0
        while found := await self._twilio.verifications(application, 0, NOW, start, PAGE):
            start += PAGE
            for stored in await self._store.read_many(found):
                if stored.word != "ok":
                    continue
                one = stored.verification
                if one.now - one.created_at > LIFE_CAP_SECONDS * 1000:
                    return  # those that follow are older, and none is pending
                if one.service == service and one.status is Status.PENDING:
                    await self._store.cancel(one.id, application)

    async def page(
        self, application: str, since_ms: int, until_ms: int, start: int, count: int
    ) -> list[tuple[int, Verification | None]]:
        """Of those made between two moments, newest first, by their index in the page. Empty after the last."""
        ids = await self._twilio.verifications(application, since_ms, until_ms, start, count)
        stored = await self._store.read_many(ids)
        return [(index, one.verification if one.word == "ok" else None) for index, one in enumerate(stored)]

    async def near(self, application: str, sid: str) -> list[Verification]:
        """Those of the phone that a SID of a message leads to."""
        stored = await self._store.read_many(await self._store.ids_at(*sids.locate(self._names, sid)))
        found = [one.verification for one in stored if one.word == "ok"]
        return [one for one in found if one.application == application and one.service]

    async def _resent(self, application: str, order: StartRequest, e164: str, key: str) -> Verification | None:
        """What a resend with this key was about, if there was one."""
        record, body = self._record(application, order, e164, key)
        claim = await self._idempotency.claim(record, body, "", 0)
        if claim.word == "new":
            await self._idempotency.release(record, "")
            return None
        return (
            await self._verifications.resend(application, claim.verification_id, "", key)
            if claim.word == "known"
            else None
        )

    def _record(self, application: str, order: StartRequest, e164: str, key: str) -> tuple[str, str]:
        body = self._names.fingerprint("send", *order.meaning(e164))
        return self._names.idempotency(application, key), body

    def _e164(self, application: str, to: str) -> str:
        return phone.normalise(to, self._settings.applications[application].region).e164
