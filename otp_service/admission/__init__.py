"""May this send go out, and may this code be looked at? Cheap and stateless reasons come first, money last."""

from __future__ import annotations

from otp_service.admission.admission import Admission
from otp_service.admission.admitted import Admitted
from otp_service.admission.limits import Limits
from otp_service.admission.lists import Lists
from otp_service.admission.pumping import PumpingGuard
from otp_service.admission.safe_list import SafeList
from otp_service.admission.wrong_code_alarm import WrongCodeAlarm
from otp_service.delivery.fixed_codes import FixedCodes
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.spending import Spending
from otp_service.settings import Settings
from otp_service.statistics.refused import RefusalCounter
from otp_service.storage.stores import Stores

__all__ = ["Admission", "Admitted", "open_admission"]


def open_admission(
    settings: Settings,
    stores: Stores,
    *,
    recipients: Recipients,
    fixed_codes: FixedCodes,
    spending: Spending,
    safe_list: SafeList,
) -> Admission:
    """Put together over one Redis."""
    lists = Lists(settings.guard, stores.names, stores.lists)
    return Admission(
        settings,
        stores,
        recipients=recipients,
        fixed_codes=fixed_codes,
        limits=Limits(settings, stores.names, stores.limits),
        guard=PumpingGuard(settings, stores.names, stores.pumping, safe_list, lists),
        lists=lists,
        wrong_code_alarm=WrongCodeAlarm(settings, stores.names, stores.pumping),
        spending=spending,
        refused=RefusalCounter(stores.database, stores.statistics, stores.refusals),
    )
