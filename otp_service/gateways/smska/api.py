"""K1 to K3. One address for everything: a form in, fields separated by `|` out, the first of them a number."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import urlencode

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.gateways.base import Accepted, Delivery, GatewayError, Then
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient, broken_answer
from otp_service.gateways.wire import amount, required_token

PATH = "/api/httppost.php"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

UNKNOWN_MESSAGE = (Reason.BAD_REQUEST, Then.NEXT, "Неправильный набор параметров")
"""-4. Our reading of it in an answer about a state: the document does not say what an unknown id gets."""

ERRORS = {
    # K, "Возможные ошибки"
    -1: (Reason.CREDENTIALS, Then.NEXT, "Неправильный логин и/или пароль"),  # or a locked account (KQ10)
    -2: (Reason.SENDER, Then.NEXT, ""),  # not in the document; "Invalid Sender ID" in a kindred API (E17)
    -3: (Reason.NOT_SENT, Then.NEXT, "Ошибка отправки"),
    -4: UNKNOWN_MESSAGE,
    -5: (Reason.FUNDS, Then.NEXT, "Недостаточно кредитов"),
    -6: (Reason.INVALID_NUMBER, Then.STOP, "Неправильный формат номера получателя"),
    -7: (Reason.SENDER, Then.NEXT, "Неверное имя отправителя, запрещенное имя отправителя."),
}
UNLISTED = (Reason.UNKNOWN_ERROR, Then.NEXT, "")

STATUSES = {
    # K, "Возможные статусы"
    "3": MessageStatus.ACCEPTED,  # Отправлено
    "4": MessageStatus.DELIVERED,  # Доставлено
    "5": MessageStatus.REJECTED,  # Отклонено
    "6": MessageStatus.REJECTED,  # Отклонено
    "7": MessageStatus.EXPIRED,  # Просрочено
    "8": MessageStatus.CANCELED,  # Удалено
}

_PHONE = re.compile(r"\+79[0-9]{9}")
_ANSWER = re.compile(r"[_\s]*(-?[0-9]{1,4})\|(.*)", re.DOTALL)  # KQ1: the balance comes as `_0|…`
_CODE = re.compile(r"[0-9]{1,4}")


class SmskaApi:
    """seconds: for the whole of a call."""

    def __init__(self, http: HttpClient, api_key: Secret, api_password: Secret) -> None:
        self._http = http
        self._api_key = api_key
        self._api_password = api_password

    async def call(self, fields: int, seconds: float, **parameters: str) -> list[str]:
        """The fields after the leading 0, at least `fields` of them. Raises `GatewayError`."""
        credentials = {"APIKey": self._api_key.reveal(), "APIPassword": self._api_password.reveal()}
        content = urlencode(credentials | parameters, errors="replace").encode()
        reply = await self._http.exchange("POST", PATH, content=content, headers=HEADERS, seconds=seconds)
        with hidden_in_errors(self._api_key, self._api_password):
            return read(reply.text(), fields)

    async def close(self) -> None:
        await self._http.close()


async def send(api: SmskaApi, phone: str, text: str, *, sender: str, seconds: float) -> Accepted:
    """K1. phone: E.164, Russian mobile; others are not tried. Every call sends another SMS. Raises `GatewayError`."""
    if not _PHONE.fullmatch(phone):
        raise GatewayError(Reason.DIRECTION_CLOSED, Then.NEXT)
    # With the field after it: an id at the very end may be one that was cut.
    _type, provider_id, *_balance = await api.call(
        3, seconds, SenderID=sender, MSISDN=phone.removeprefix("+"), Message=text
    )
    return Accepted(required_token(provider_id))


async def balance(api: SmskaApi, *, seconds: float) -> Decimal:
    """K2: SMS parts that are left. Raises `GatewayError`."""
    type_, rest, *_more = await api.call(2, seconds, Action="balance")
    left = amount(rest)
    if left is None or "balance" not in type_.casefold():
        raise broken_answer()
    return left


async def status(api: SmskaApi, provider_id: str, *, seconds: float) -> Delivery | None:
    """K3; None for an id that the gateway does not know, or has no number for. `provider_code` is the number.

    Raises `GatewayError`.
    """
    try:
        _type, code, *_word = await api.call(3, seconds, Action="query", BatchId=provider_id)
    except GatewayError as error:
        if (error.reason, error.then, error.text) == UNKNOWN_MESSAGE:
            return None
        raise
    if not _CODE.fullmatch(code):
        return None
    # A code that the document does not list changes nothing.
    return Delivery(provider_id, STATUSES.get(code, MessageStatus.ACCEPTED), provider_code=code)


def read(text: str, fields: int) -> list[str]:
    """The fields after the leading 0. Raises `GatewayError` for an error code or a shape that no document knows."""
    answer = _ANSWER.fullmatch(text)
    if answer is None:
        raise broken_answer()
    code, rest = int(answer[1]), answer[2].split("|")
    if code < 0:
        raise GatewayError(*ERRORS[code]) if code in ERRORS else GatewayError(*UNLISTED, said="|".join(rest))
    if code > 0 or len(rest) < fields:
        raise broken_answer()
    return [field.strip() for field in rest]
