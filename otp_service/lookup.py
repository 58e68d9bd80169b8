"""Verifications as they are now: one by its id, also waiting for it to change, or all of a phone."""

from __future__ import annotations

from otp_service import refusals
from otp_service.domain import phone
from otp_service.domain.keyring import Names
from otp_service.domain.lifecycle import Verification
from otp_service.settings import Settings
from otp_service.storage.verifications import VerificationStore
from otp_service.waiting import Waiting


class Lookup:
    def __init__(self, settings: Settings, names: Names, store: VerificationStore, waiting: Waiting) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._waiting = waiting

    async def status(self, application: str, verification_id: str, wait: float = 0, known: str = "") -> Verification:
        """wait: seconds to wait for a change, unless its state is another than the `known` one (a tag) already."""
        if self._names.locate(verification_id) is None:
            raise refusals.not_found()
        stored = await self._store.read(verification_id, application)
        if stored.word == "ok" and wait and not stored.found.over and known in ("", stored.found.tag):
            await self._waiting.change(verification_id, stored.found.revision, wait)
            stored = await self._store.read(verification_id, application)
        if stored.word == "not_found":
            raise refusals.not_found()
        return stored.found

    async def of_phone(self, application: str, to: str) -> list[Verification]:
        """A phone's verifications of the application, newest first, as long as they are kept."""
        e164 = phone.normalise(to, self._settings.applications[application].region).e164
        return [stored.found for stored in await self._store.of_phone(application, e164)]
