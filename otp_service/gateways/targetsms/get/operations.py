"""G1 to G4, the HTTP GET interface: everything goes out in a URL and comes back as plain text.

The URL holds login, password, phone and code: it is built, sent and forgotten here. Neither logs nor errors see it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from urllib.parse import quote, urlencode

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.gateways.base import Accepted, Delivery, GatewayError, Then
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient, broken_answer
from otp_service.gateways.targetsms.errors import UNKNOWN_ID, error_of, same
from otp_service.gateways.targetsms.get import php
from otp_service.gateways.targetsms.outcomes import accepted_despite
from otp_service.gateways.targetsms.xml.account import Balance
from otp_service.gateways.targetsms.xml.answers import digits
from otp_service.gateways.targetsms.xml.states import known_status, status_of, written_time
from otp_service.gateways.wire import amount, count, shown

PATH = "/sendsms.php"
MAX_URL = 2000
"""Characters of the whole URL. The document advises against longer ones (G0)."""

_IDS = re.compile(r"[0-9]{1,19}(\s*,\s*[0-9]{1,19})*")
_SOME_ID = re.compile(r"(^|,)\s*[0-9]+\s*(,|$)")
_BALANCE = re.compile(r"(-?[0-9.]{1,19})[ \t]+(RUR|RUB|UAH|KZT|BYN|BYR|USD|EUR)(?:\s+(\S.*))?", re.DOTALL)
"""The document shows `RUR`. Other currencies are ours, and few: `503 ERR` is no amount of money."""
_RUSSIAN = re.compile(r"[а-яё]", re.IGNORECASE)


class GetApi:
    """seconds: for the whole of a call. An identical request is refused for a minute by the gateway (G0)."""

    def __init__(self, http: HttpClient, login: Secret, password: Secret) -> None:
        self._http = http
        self._login = login
        self._password = password

    async def call(self, seconds: float, **parameters: str) -> str:
        """The plain text of the answer. Raises `GatewayError`; BAD_REQUEST/next where the URL would be too long."""
        credentials = {"user": self._login.reveal(), "pwd": self._password.reveal()}
        path = f"{PATH}?{urlencode(credentials | parameters, quote_via=quote, errors='replace')}"
        if len(self._http.base_url) + len(path) > MAX_URL:
            raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
        reply = await self._http.exchange("GET", path, seconds=seconds)
        return reply.text()

    def hidden(self) -> AbstractContextManager[None]:
        """Around the reading of what an answer says of one message."""
        return hidden_in_errors(self._login, self._password)

    async def close(self) -> None:
        await self._http.close()


async def send(api: GetApi, phones: Sequence[str], text: str, *, sender: str, seconds: float) -> list[Accepted]:
    """G1: one text to one or several phones (E.164), in one request.

    Returns one outcome for each phone, in their order. "Sent already" and "an identical request within a minute" mean
    that an earlier request of ours was taken: accepted, id unknown. Raises `GatewayError`; what a partial failure of
    several looks like is not documented, so ids that do not match the phones are unclear.
    """
    answer = await api.call(seconds, sadr=sender, dadr=",".join(digits(phone) for phone in phones), text=text)
    if not _IDS.fullmatch(answer):
        with api.hidden():
            return [accepted_despite(_sentence(answer))] * len(phones)
    ids = [each.strip() for each in answer.split(",")]
    if len(ids) != len(phones) or not all(each.strip("0") for each in ids):
        raise broken_answer()
    return [Accepted(provider_id) for provider_id in ids]


async def state(api: GetApi, provider_id: str, *, seconds: float) -> Delivery | None:
    """G2: the status alone; None for an id that the account does not have.

    Raises `GatewayError`; THROTTLED/next where the same was asked within the last minute.
    """
    answer = await api.call(seconds, smsid=provider_id)
    with api.hidden():
        status = _plain_status(answer)
    return None if status is None else Delivery(provider_id, status)


async def detailed_state(api: GetApi, provider_id: str, *, seconds: float) -> Delivery | None:
    """G3: status, time of change, parts, price of one part. Otherwise as `state`, whose plain word is read, too."""
    answer = await api.call(seconds, smsid=provider_id, detail="1")
    if not answer.startswith("a:"):
        with api.hidden():
            status = _plain_status(answer)
        return None if status is None else Delivery(provider_id, status)
    fields = _fields(answer)
    status = status_of(fields.get("state_sms", ""))
    if status is None:
        with api.hidden():
            _check_unknown(fields.get("state_sms", ""))
        return None
    return Delivery(
        provider_id,
        status,
        changed_at=written_time(fields.get("time_change_state")),
        parts=count(fields.get("num_parts")),
        price=amount(fields.get("price")),
    )


async def balance(api: GetApi, *, seconds: float) -> Balance:
    """G4. Raises `GatewayError`; THROTTLED/next where it was asked within the last minute."""
    answer = await api.call(seconds, balance="1")
    parts = _BALANCE.fullmatch(answer)
    money = amount(parts[1]) if parts else None
    if parts is None or money is None:
        with api.hidden():
            raise error_of(_sentence(answer))
    return Balance(money, parts[2], _counts(parts[3] or ""))


def _plain_status(answer: str) -> MessageStatus | None:
    """The status for a bare word; None where the account does not have the id.

    Only the words that are known: any other may be one of a proxy, or be cut. Raises `GatewayError`.
    """
    status = known_status(answer)
    if status is None:
        _check_unknown(answer)
    return status


def _sentence(answer: str) -> str:
    """An error text: a Russian line that begins with a word, because plain text is also what a broken page is.

    Raises `GatewayError`, also where an id stands beside the text: of several messages, some may have been sent.
    """
    is_line = answer[:1].isalpha() and answer.isprintable() and "<" not in answer
    if not is_line or not _RUSSIAN.search(answer) or _SOME_ID.search(answer):
        raise broken_answer()
    return answer


def _check_unknown(answer: str) -> None:
    """Raises `GatewayError` for every text but the one about an id that the account does not have."""
    if not same(_sentence(answer), UNKNOWN_ID):
        raise error_of(answer)


def _fields(answer: str) -> dict[str, str]:
    """The array of G3. Numbers may stand in place of strings (our inference), so all are read as text."""
    try:
        found = php.read(answer.encode("utf-8"))
    except php.PhpError:
        found = None
    if not isinstance(found, dict):
        raise broken_answer()
    return {str(name): _text(value) for name, value in found.items()}


def _text(value: php.Value) -> str:
    if isinstance(value, Decimal):
        return f"{round(value, 6).normalize():f}"  # an older PHP writes 1.15 as 1.1499999999999999
    return str(value) if isinstance(value, str | int) else ""


def _counts(listed: str) -> dict[str, Decimal]:
    """`Россия:361,МТС:1`: how many SMS for each area or operator, alternatives, no sum. Raises `GatewayError`."""
    counts: dict[str, Decimal] = {}
    for entry in listed.split(",") if listed else ():
        area, _, number = entry.strip().rpartition(":")
        left = amount(number.strip())
        if left is None or not area or "<" in area:
            raise broken_answer()
        counts[shown(area.strip())] = left
    return counts
