"""How many parts a message takes: the gateway's own count, where it can be, checked with ours."""

from __future__ import annotations

import structlog

from otp_service.domain import costs
from otp_service.domain.segments import measure
from otp_service.domain.texts import GATEWAY_CODE
from otp_service.gateways.base import Accepted, Gateway, Outgoing
from otp_service.telemetry import metrics

log = structlog.get_logger()


def parts(gateway: Gateway, outgoing: Outgoing, accepted: Accepted) -> int:
    """SMS parts of a message that was taken: as the gateway says, else as we count; 0 for what is no SMS."""
    if gateway.channel != "sms":
        return believed(gateway.name, accepted.parts, 0)
    counted = measure(outgoing.text.replace(GATEWAY_CODE, "0" * outgoing.code_length)).parts
    if accepted.parts not in (0, counted):
        log.warning("parts_differ", gateway=gateway.name, counted=counted, told=accepted.parts)
    return believed(gateway.name, accepted.parts, counted) or counted


def believed(gateway: str, told: int, counted: int) -> int:
    """Parts as a gateway told them; 0 where it told none, or more than the text can take."""
    if told == 0 or costs.can_be_parts(told, counted):
        return told
    metrics.NOT_BELIEVED.labels(gateway, "parts").inc()
    log.warning("parts_not_believed", gateway=gateway, counted=counted, told=told)
    return 0
