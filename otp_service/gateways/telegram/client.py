"""The methods of the Telegram Gateway API: JSON in, `{"ok": …}` out. Source: core.telegram.org/gateway/api."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.domain.value import Value
from otp_service.gateways.base import GatewayError, Then
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient, Reply, broken_answer, decode
from otp_service.gateways.wire import amount, is_token

ERRORS = {
    "ACCESS_TOKEN_INVALID": Reason.CREDENTIALS,
    "ACCESS_TOKEN_REQUIRED": Reason.CREDENTIALS,
    "ACCESS_TOKEN_EXPIRED": Reason.CREDENTIALS,
    "PHONE_NUMBER_INVALID": Reason.INVALID_NUMBER,
    "PHONE_NUMBER_NOT_FOUND": Reason.INVALID_NUMBER,
    "PHONE_NUMBER_NOT_AVAILABLE": Reason.INVALID_NUMBER,
    "BALANCE_NOT_ENOUGH": Reason.FUNDS,
    "SENDER_USERNAME_INVALID": Reason.SENDER,
    "SENDER_NOT_VERIFIED": Reason.SENDER,
    "CODE_INVALID": Reason.BAD_REQUEST,
    "CODE_LENGTH_INVALID": Reason.BAD_REQUEST,
    "TTL_INVALID": Reason.BAD_REQUEST,
    "CALLBACK_URL_INVALID": Reason.BAD_REQUEST,
    "PAYLOAD_INVALID": Reason.BAD_REQUEST,
    "REQUEST_ID_INVALID": Reason.BAD_REQUEST,
}
"""The next gateway is tried after each: who is not on Telegram can still get an SMS. Any other word is a refusal."""
UNKNOWN_REQUEST = "REQUEST_ID_INVALID"

STATUSES = {
    "sent": MessageStatus.ACCEPTED,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "expired": MessageStatus.UNDELIVERED,
    "revoked": MessageStatus.UNDELIVERED,
}

_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,63}")


class RequestStatus(Value):
    """cost: in US dollars, None if it is not told. refunded: not delivered in time, so nothing is charged."""

    id: str
    status: MessageStatus
    cost: Decimal | None
    refunded: bool


class TelegramApi:
    """seconds: for the whole of a call."""

    def __init__(self, http: HttpClient, token: Secret) -> None:
        self._http = http
        self._token = token

    async def call(self, method: str, parameters: Mapping[str, Any], *, seconds: float) -> Any:
        """`result` of the answer. Raises `GatewayError`."""
        reply = await self._http.exchange(
            "POST",
            f"/{method}",
            content=json.dumps(parameters).encode(),
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Authorization": f"Bearer {self._token.reveal()}",
            },
            seconds=seconds,
        )
        with hidden_in_errors(self._token):
            return _result(reply)

    async def close(self) -> None:
        await self._http.close()


async def status(api: TelegramApi, request_id: str, *, seconds: float) -> RequestStatus | None:
    """`checkVerificationStatus`; None for a request that the account does not have. Raises `GatewayError`."""
    try:
        result = await api.call("checkVerificationStatus", {"request_id": request_id}, seconds=seconds)
    except GatewayError as error:
        if error.text == UNKNOWN_REQUEST:
            return None
        raise
    return request_status(result)


def request_status(result: Any) -> RequestStatus:
    """Raises `GatewayError` for what is no `RequestStatus`."""
    if not isinstance(result, dict) or not isinstance(result.get("request_id"), str):
        raise broken_answer()
    if not is_token(result["request_id"]):
        raise broken_answer()
    delivery = result.get("delivery_status")
    word = delivery.get("status") if isinstance(delivery, dict) else None
    known = STATUSES.get(word, MessageStatus.ACCEPTED) if isinstance(word, str) else MessageStatus.ACCEPTED
    cost = result.get("request_cost")
    return RequestStatus(
        result["request_id"], known, amount(cost) if isinstance(cost, str) else None, result.get("is_refunded") is True
    )


def parsed(body: bytes) -> Any:
    """JSON with its numbers as they were written; None for what is none."""
    try:
        return json.loads(decode(body), parse_int=str, parse_float=str, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None


def _refused(constant: str) -> None:
    raise ValueError(constant)


def _result(reply: Reply) -> Any:
    """An error comes with the word in the body, whatever the HTTP status."""
    found = parsed(reply.body)
    if isinstance(found, dict) and found.get("ok") is False and isinstance(found.get("error"), str):
        raise _error(found["error"])
    reply.text()  # raises what a status means that came without such a body
    if not isinstance(found, dict) or found.get("ok") is not True or "result" not in found:
        raise broken_answer()
    return found["result"]


def _error(word: str) -> GatewayError:
    if not _WORD.fullmatch(word):
        return GatewayError(Reason.UNKNOWN_ERROR, Then.NEXT, said=word)
    if word.startswith("FLOOD_WAIT"):
        return GatewayError(Reason.THROTTLED, Then.NEXT, "FLOOD_WAIT")
    if word in ERRORS:
        return GatewayError(ERRORS[word], Then.NEXT, word)
    return GatewayError(Reason.UNKNOWN_ERROR, Then.NEXT, said=word)
