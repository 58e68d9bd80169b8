"""X18: when a base or the stop list was changed last."""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_bases import find_base
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, write_time

BASE = "base"
STOP_LIST = ("stop", "stop-лист")
"""X18: «base - базы данных, stop-лист». Which word asks for the stop list is not said: both do (ours)."""


def check_change(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """The maker of the platform writes `obgect`, and answers so: whoever asks like that is answered like that (ours).

    A stop list that was never changed has an empty time (ours).
    """
    asked = request.find("check")
    if asked is None:
        raise RequestError(BAD_FORMAT)
    spelling = "obgect" if "obgect" in asked.attrib else "object"
    cabinet = sandbox.cabinets[account.key]
    changed_at: datetime | None
    if asked.get(spelling) == BASE:
        changed_at = find_base(cabinet, asked.get("id", "")).updated_at
    elif asked.get(spelling) in STOP_LIST:
        changed_at = cabinet.stop_list_changed_at
    else:
        raise RequestError(BAD_FORMAT)
    return [element(spelling, time_update=write_time(account, changed_at, SECOND))]
