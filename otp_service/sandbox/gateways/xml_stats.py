"""X20: statistics of the last three months, one row per part of an SMS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.states import WORDS
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element
from otp_service.sandbox.messages import Message, Status
from otp_service.sandbox.numbering import OPERATORS, owner_of
from otp_service.sandbox.parts import split_parts
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, read_date, write_time

BAD_DATE = "Некорректный формат даты"
NO_OPERATOR = "Такой оператор не обнаружен"
# «Базы с таким номером не существует» is listed too, but there is no base to name: only a fault says it.

KEPT = timedelta(days=92)
"""«за последние 3 месяца»"""

TRANSLATIONS = {
    "deliver": "доставлено",
    "not_deliver": "не доставлено",  # ours from here
    "expired": "просрочено",
    "partly_deliver": "частично доставлено",
    "read": "прочитано",
}


def statistics(sandbox: Sandbox, account: Account, request: Element, _fault: Fault | None) -> list[Element]:
    asked = request.find("stats")
    if asked is None:
        raise RequestError(BAD_FORMAT)
    if asked.get("operator") and asked.get("operator") not in OPERATORS:
        raise RequestError(NO_OPERATOR)
    now = sandbox.clock.now()
    first, last = _period(account, asked, now)
    answer = Element("stats")
    for message in sandbox.messages.values():
        sent_at = message.sent_at
        if message.account == account.key and message.channel == "sms" and sent_at and first <= sent_at <= last:
            answer.extend(_rows(account, message, asked, now))
    answer.set("num_stats", str(len(answer)))  # «всего СМС»: rows, each part is one (ours)
    return [answer]


def _rows(account: Account, message: Message, asked: Element, now: datetime) -> Iterator[Element]:
    """An SMS without a final status is left out, as the four words of the document are all final (ours).

    Only the first part has `status_translate`, and each its own text, as in the sample.
    """
    status, since = message.status_at(now)
    word, operator = WORDS[status], owner_of(message.phone).operator
    shown = {"state": word, "originator": message.sender, "phone": message.phone, "operator": operator}
    if status is Status.ACCEPTED or any(asked.get(name, "") not in ("", value) for name, value in shown.items()):
        return
    for part_no, text in enumerate(split_parts(message.text), start=1):
        yield element(
            "stat",
            id_sms=message.id,
            id_state=f"{message.id}{part_no:03}",
            operator=operator,
            name_delivery=message.name_delivery,
            phone=f"{message.phone[:-4]}****",
            originator=message.sender,
            time_change_state=write_time(account, since, SECOND),
            time=write_time(account, message.sent_at, SECOND),
            status=word,
            **({"status_translate": TRANSLATIONS[word]} if part_no == 1 else {}),
            text=text,
            price=plain(message.price),
            part_no=str(part_no),
            num_parts=str(message.parts),
        )


def _period(account: Account, asked: Element, now: datetime) -> tuple[datetime, datetime]:
    """From the first moment of a minute to the last of another; never longer ago than is kept."""
    today = now.astimezone(account.zone).date()
    first = datetime.combine(_day(asked, "date_start", today), _clock(asked, "from", "0", "0"), account.zone)
    last = datetime.combine(_day(asked, "date_stop", today), _clock(asked, "to", "59", "59"), account.zone)
    return max(first, now - KEPT), last + timedelta(seconds=59.999999)


def _day(asked: Element, name: str, default: date) -> date:
    written = asked.get(name, "")
    try:
        return read_date(written) if written else default
    except ValueError as error:
        raise RequestError(BAD_DATE) from error


def _clock(asked: Element, end: str, hour: str, minute: str) -> time:
    """`to_hour` is 59 by default: like any hour after 23 it means the last one (ours)."""
    try:
        hours = int(asked.get(f"{end}_hour") or hour)
        return time(min(hours, 23), int(asked.get(f"{end}_minute") or minute))
    except ValueError as error:
        raise RequestError(BAD_DATE) from error  # ours
