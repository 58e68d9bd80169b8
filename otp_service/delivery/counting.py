"""How many parts a message takes: the gateway's own count, checked with ours."""

from __future__ import annotations

import structlog

from otp_service.domain.segments import measure
from otp_service.domain.texts import GATEWAY_CODE
from otp_service.gateways.base import Accepted, Gateway, Outgoing

log = structlog.get_logger()


def parts(gateway: Gateway, outgoing: Outgoing, accepted: Accepted) -> int:
    """SMS parts of a message that was taken: as the gateway says, else as we count; 0 for what is no SMS."""
    if gateway.channel != "sms":
        return accepted.parts
    counted = measure(outgoing.text.replace(GATEWAY_CODE, "0" * outgoing.code_length)).parts
    if accepted.parts not in (0, counted):
        log.warning("parts_differ", gateway=gateway.name, counted=counted, told=accepted.parts)
    return accepted.parts or counted
