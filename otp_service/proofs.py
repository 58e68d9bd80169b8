"""What an approved verification leaves behind for the person it named: a verified phone."""

from __future__ import annotations

import structlog

from otp_service.domain.lifecycle import Outcome, Verification
from otp_service.errors import StorageUnavailable
from otp_service.storage.subjects import SubjectStore

log = structlog.get_logger()


class Proofs:
    def __init__(self, subjects: SubjectStore) -> None:
        self._subjects = subjects

    async def remember(self, outcome: Outcome, found: Verification) -> None:
        """Write the phone of an approval into the subject's slot, after the verdict was written into the phone's.

        Two slots cannot change in one script, and the verdict must not wait for the list. A process that dies between
        them leaves an approval that the list does not show; a repeat of the check with its Idempotency-Key writes it,
        since a replayed approval comes by here too. So the verdict is the proof, the list is for showing.
        """
        if outcome is not Outcome.APPROVED or not found.subject or not found.phone:
            return
        try:
            await self._subjects.remember_phone(found.application, found.subject, found.phone)
        except StorageUnavailable:
            log.warning("verified_phone_not_listed", verification=found.id)
