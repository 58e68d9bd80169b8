"""May this send go out, and may this code be looked at? Cheap and stateless reasons come first, money last."""

from __future__ import annotations

from otp_service.admission.admission import Admission
from otp_service.admission.admitted import Admitted
from otp_service.admission.guard import Guard
from otp_service.admission.limits import Limits
from otp_service.admission.spray import Spray
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.spending import Spending
from otp_service.delivery.test_numbers import TestNumbers
from otp_service.domain.keyring import Names
from otp_service.settings import Settings
from otp_service.storage.connection import Database
from otp_service.storage.ledger import Ledger
from otp_service.storage.limits import LimitStore
from otp_service.storage.sends import SendStore
from otp_service.storage.tallies import TallyStore
from otp_service.storage.verifications import VerificationStore

__all__ = ["Admission", "Admitted", "open_admission"]


def open_admission(
    settings: Settings,
    database: Database,
    names: Names,
    recipients: Recipients,
    test_numbers: TestNumbers,
    store: VerificationStore,
    sends: SendStore,
    spending: Spending,
) -> Admission:
    """Put together over one Redis."""
    ledger, tallies = Ledger(database, names), TallyStore(database)
    return Admission(
        settings,
        database,
        names,
        recipients,
        test_numbers,
        store,
        sends,
        ledger,
        Limits(settings, names, LimitStore(database)),
        Guard(settings, names, tallies, ledger),
        Spray(settings, names, tallies),
        spending,
    )
