"""Unlocking a phone: at its holder's request every count that holds it back begins anew."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service.admission.limits import Limits
from otp_service.domain.value import Value
from otp_service.storage.ledger import Ledger


class Unlocked(Value):
    """What held the phone back.

    failures: wrong codes in a row. pause_ms: until it could have been sent to again. limits: by name, how many events
    each had counted of this phone.
    """

    failures: int
    pause_ms: int
    limits: Mapping[str, int]


async def unlock(ledger: Ledger, limits: Limits, application: str, e164: str) -> Unlocked:
    """Safe to repeat. Raises StorageUnavailable; then some may be cleared, and a repeat clears the rest."""
    cleared = await limits.clear(application, e164)
    failures, pause_ms = await ledger.unlock(application, e164)
    return Unlocked(failures, pause_ms, cleared)
