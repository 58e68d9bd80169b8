"""X8: SMS that subscribers sent to the account. They come in through `POST /_sim/incoming`."""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, read_time, write_time


def incoming(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """Both ends of the time are exclusive. Compared as written, to the second (ours)."""
    asked = request.find("time")
    if asked is None:
        raise RequestError(BAD_FORMAT)
    start = _second(account, asked.get("start", ""))
    end = _second(account, asked.get("end", "")) if asked.get("end") else None
    received = [(sms.received_at.replace(microsecond=0), sms) for sms in sandbox.cabinets[account.key].incoming]
    return [
        element(
            "sms",
            sms.text,
            id_sms=sms.id,
            date_receive=write_time(account, at, SECOND),
            originator=sms.originator,
            prefix=sms.prefix,
            phone=sms.phone,
        )
        for at, sms in received
        if start < at and (end is None or at < end)
    ]


def _second(account: Account, written: str) -> datetime:
    """What another form, or no start, answers is ours."""
    try:
        return read_time(account, written, SECOND)
    except ValueError as error:
        raise RequestError(BAD_FORMAT) from error
