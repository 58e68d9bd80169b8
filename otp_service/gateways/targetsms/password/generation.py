"""P1 to P3: the gateway makes the code, sends it and tells us."""

from __future__ import annotations

import re

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.domain.texts import GATEWAY_CODE
from otp_service.gateways.base import Accepted, GatewayError, Outgoing, Then
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient, broken_answer
from otp_service.gateways.targetsms.xml.wire import HEADERS, document, element, read
from otp_service.gateways.wire import optional_id

PATH = "/password_generation/api.php"

SENT = {
    "send": MessageStatus.ACCEPTED,
    "deliver": MessageStatus.DELIVERED,
    "partly_deliver": MessageStatus.ACCEPTED,  # two meanings (PQ5), so its state is asked later
}
FAILED = {
    "not_valid_phone": (Reason.INVALID_NUMBER, Then.STOP),
    "connection_error": (Reason.NOT_SENT, Then.NEXT),
    "not_deliver": (Reason.NOT_SENT, Then.NEXT),
    "expired": (Reason.NOT_SENT, Then.NEXT),
}
"""Failures come inside `<success>` too (PQ2); the code beside them is dead."""


async def generate(
    http: HttpClient, login: Secret, password: Secret, message: Outgoing, *, sender: str, seconds: float
) -> Accepted:
    """Have a code of `message.code_length` digits made and sent. Every call makes a new code and a new SMS (P4).

    Raises `GatewayError`. After an unclear one an SMS may arrive whose code nobody here knows.
    """
    if GATEWAY_CODE not in message.text or message.code_length < 1:
        raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
    request = document(
        # Unlike X, credentials are the text of the elements (XQ1), and the phone keeps its plus.
        element("security", "", element("login", login.reveal()), element("password", password.reveal())),
        element("phone", message.phone),
        element("sender", sender),
        element("random_string_len", str(message.code_length)),
        element("text", message.text),
    )
    reply = await http.exchange("POST", PATH, content=request, headers=HEADERS, seconds=seconds)
    with hidden_in_errors(login, password):
        success = read(reply.text()).find("success")
    if success is None:
        raise broken_answer()
    status, code = success.get("status", ""), success.get("code", "")
    if status in FAILED:
        raise GatewayError(*FAILED[status])
    if status not in SENT or not re.fullmatch(f"[0-9]{{{message.code_length}}}", code):
        raise broken_answer()
    return Accepted(optional_id(success.get("id_sms")), status=SENT[status], code=code)
