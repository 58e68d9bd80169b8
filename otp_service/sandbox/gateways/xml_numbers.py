"""X9: operator, region and time zone of phones."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.numbering import owner_of
from otp_service.sandbox.state import Sandbox


def number_information(_sandbox: Sandbox, _account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    """Three empty attributes for an unknown phone are ours."""
    phones = [(found.text or "").strip() for found in request.findall("phones/phone")]
    return [
        element("phone", phone, operator=owner.operator, region=owner.region, time_zone=owner.time_zone)
        for phone, owner in zip(phones, map(owner_of, phones), strict=True)
    ]
