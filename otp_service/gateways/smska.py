"""sms-ka, "HTTP API протокол", ver 2014-05-05: `smska` (K).

One address for everything: a form in, fields separated by `|` out, the first of them a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlencode

from otp_service.domain.messages import MessageStatus
from otp_service.domain.secret import Secret
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Reason, Then
from otp_service.gateways.config import GatewayConfig, account_name
from otp_service.gateways.http import broken_answer
from otp_service.gateways.wire import amount

PATH = "/api/httppost.php"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

ERRORS = {
    # K, "Возможные ошибки"
    -1: (Reason.CREDENTIALS, Then.NEXT),  # Неправильный логин и/или пароль (or a locked account, KQ10)
    -2: (Reason.SENDER, Then.NEXT),  # not in the document; "Invalid Sender ID" in a kindred API (E17)
    -3: (Reason.NOT_SENT, Then.NEXT),  # Ошибка отправки
    -4: (Reason.BAD_REQUEST, Then.NEXT),  # Неправильный набор параметров
    -5: (Reason.FUNDS, Then.NEXT),  # Недостаточно кредитов
    -6: (Reason.INVALID_NUMBER, Then.STOP),  # Неправильный формат номера получателя
    -7: (Reason.SENDER, Then.NEXT),  # Неверное имя отправителя, запрещенное имя отправителя.
}
UNKNOWN_MESSAGE = -4
"""Our reading of -4 in an answer about a state: the document does not say what an unknown id gets."""

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
_ANSWER = re.compile(r"[_\s]*(-?[0-9]{1,4})(?:\|(.*))?", re.DOTALL)  # KQ1: the balance comes as `_0|…`
_ID = re.compile(r"[0-9a-z]{1,64}")


class SmskaConfig(GatewayConfig, frozen=True, kw_only=True):
    kind: Literal["smska"]
    api_key: Secret
    api_password: Secret


class SmskaGateway:
    """Sends our code to Russian mobile numbers. No idempotency: every request sends another SMS."""

    channel = "sms"
    makes_code = False
    repeatable = False

    def __init__(self, name: str, config: SmskaConfig) -> None:
        self.name = name
        self.account = account_name("smska", config.api_key)
        self.attempt_seconds = config.attempt_seconds
        self._config = config
        self._http = config.client(name)

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        if not _PHONE.fullmatch(message.phone):
            raise GatewayError(Reason.DIRECTION_CLOSED, Then.NEXT)
        _type, provider_id, *_balance = await self._ask(
            seconds,
            fields=2,
            SenderID=self._config.sender,
            MSISDN=message.phone.removeprefix("+"),
            Message=message.text,
        )
        if not _ID.fullmatch(provider_id):
            raise broken_answer()
        return Accepted(provider_id)

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        """One request for each id, one after another. A failure is raised only if nothing was learnt before it."""
        found: list[Delivery] = []
        for provider_id in provider_ids:
            try:
                _type, code, *_word = await self._ask(
                    self.attempt_seconds, fields=2, Action="query", BatchId=provider_id
                )
            except GatewayError as error:
                if (error.reason, error.then) == ERRORS[UNKNOWN_MESSAGE]:
                    continue
                if found:
                    break
                raise
            if code.isascii() and code.isdigit() and len(code) <= 4:
                status = STATUSES.get(code, MessageStatus.ACCEPTED)  # an unknown code changes nothing
                found.append(Delivery(provider_id, status, provider_code=code))
        return found

    async def examine(self) -> list[Finding]:
        try:
            _type, rest, *_more = await self._ask(self.attempt_seconds, fields=2, Action="balance")
        except GatewayError as error:
            return [Finding("balance", False, f"not told: {error}")]
        left = amount(rest)
        return [Finding("balance", left is not None and left > 0, "not told" if left is None else f"{left} SMS parts")]

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, seconds: float, *, fields: int, **parameters: str) -> list[str]:
        """The fields after the leading 0, at least `fields` of them. Raises `GatewayError`."""
        credentials = {
            "APIKey": self._config.api_key.reveal(),
            "APIPassword": self._config.api_password.reveal(),
        }
        reply = await self._http.exchange(
            "POST", PATH, content=urlencode(credentials | parameters).encode(), headers=HEADERS, seconds=seconds
        )
        return read(reply.text(), fields)


def read(text: str, fields: int) -> list[str]:
    """The fields after the leading 0. Raises `GatewayError` for an error code or a shape that no document knows."""
    answer = _ANSWER.fullmatch(text)
    if answer is None:
        raise broken_answer()
    code, rest = int(answer[1]), (answer[2] or "").split("|")
    if code < 0:
        raise GatewayError(*ERRORS.get(code, (Reason.UNKNOWN_ERROR, Then.NEXT)))
    if code > 0 or len(rest) < fields:
        raise broken_answer()
    return [field.strip() for field in rest]
