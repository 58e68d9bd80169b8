"""X20, "Запрос на получение статистики": of the last three months; what is older the manager has."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from enum import StrEnum
from xml.etree.ElementTree import Element

from otp_service.domain.messages import MessageStatus
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.times import moment_of
from otp_service.gateways.targetsms.xml.answers import digits, phone_of
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.states import status_of
from otp_service.gateways.targetsms.xml.wire import element
from otp_service.gateways.wire import amount, count, words

PATH = "/xml/stats.php"


class FinalState(StrEnum):
    NOT_DELIVER = "not_deliver"
    EXPIRED = "expired"
    DELIVER = "deliver"
    PARTLY_DELIVER = "partly_deliver"


class Filter(Value):
    """What is left out does not narrow. first, last: days, both included, today where None. since, until: times of
    day in the account's zone, to the minute. operator: Beeline, Мегафон, МТС.
    """

    first: date | None = None
    last: date | None = None
    state: FinalState | None = None
    sender: str = ""
    phone: Hidden[str] = ""
    operator: str = ""
    since: time | None = None
    until: time | None = None


class Row(Value):
    """One part of an SMS. id: of the SMS. state_id: of the part. phone: with the last digits hidden by the gateway.
    price: of this part. Times in the account's zone. part: from 1.
    """

    id: str
    state_id: str
    operator: str
    name_delivery: str
    phone: Hidden[str]
    sender: str
    changed_at: datetime | None
    sent_at: datetime | None
    status: MessageStatus
    text: Hidden[str]
    price: Decimal | None
    part: int
    parts: int


class Statistics(Value):
    """total: SMS, as the gateway counts them."""

    total: int
    rows: list[Row]


async def statistics(api: XmlApi, wanted: Filter, zone: tzinfo, *, seconds: float) -> Statistics:
    """zone: of the account. Raises `GatewayError`, also for a date or an operator that the gateway does not know."""
    response, rows = await api.rows(
        PATH, _asked(wanted), tag="stat", read=lambda found: _row(found, zone), seconds=seconds
    )
    stats = response.find("stats")
    if stats is None:
        raise broken_answer()
    return Statistics(count(stats.get("num_stats")), rows)


def _asked(wanted: Filter) -> Element:
    """Hours and minutes without a limit are written out, because the document's default for `to_hour` is 59 (XQ17)."""
    since, until = wanted.since or time(0, 0), wanted.until or time(23, 59)
    return element(
        "stats",
        date_start=wanted.first.isoformat() if wanted.first else "",
        date_stop=wanted.last.isoformat() if wanted.last else "",
        state=wanted.state or "",
        originator=wanted.sender,
        phone=digits(wanted.phone),
        operator=wanted.operator,
        from_hour=f"{since:%H}",
        from_minute=f"{since:%M}",
        to_hour=f"{until:%H}",
        to_minute=f"{until:%M}",
    )


def _row(found: Element, zone: tzinfo) -> Row:
    return Row(
        words(found.get("id_sms")),
        words(found.get("id_state")),
        words(found.get("operator")),
        words(found.get("name_delivery")),
        phone_of(found.get("phone")),
        words(found.get("originator")),
        moment_of(found.get("time_change_state"), zone),
        moment_of(found.get("time"), zone),
        status_of(found.get("status", "")) or MessageStatus.ACCEPTED,
        words(found.get("text")),
        amount(found.get("price")),
        count(found.get("part_no")),
        count(found.get("num_parts")),
    )
