"""Functions of commands that send and cost money. None is repeated by itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from otp_service.cli.accounts.opening import SECONDS, Account
from otp_service.cli.accounts.output import Output, explanation, unclear
from otp_service.domain.messages import MessageStatus
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, GatewayError
from otp_service.gateways.smska import api as k
from otp_service.gateways.targetsms import errors
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.json import cascade, cascade_sending
from otp_service.gateways.targetsms.xml import sending as x3

HELD, ALREADY_SENT = 3, 4
"""Exit codes, where nothing was refused and nothing is unclear."""


async def send(account: Account, given: Namespace) -> Output:
    """X3. Each text is a message of its own to all phones, in one request."""
    if given.client_id and len(given.text) > 1:
        raise SettingsError("--client-id: names one message, so give one --text")
    _check_client_id(given)
    recipients = [x3.Recipient(each, given.client_id or "", given.at, given.valid_until) for each in given.phone]
    sender = given.sender or account.sender
    messages = [x3.Sms(sender, text, recipients, given.translite, given.name_delivery) for text in given.text]
    places = [number for number, _ in enumerate(messages, start=1) for _ in recipients]
    try:
        found = await x3.send_all(account.xml, messages, account.zone, seconds=SECONDS)
    except GatewayError as error:
        if not given.json:
            raise
        return _told(
            [
                _row(phone, error) | {"message": number}
                for number, phone in zip(places, given.phone * len(messages), strict=True)
            ]
        )
    return _told(
        [_row(each.phone, each.outcome) | {"message": number} for number, each in zip(places, found, strict=True)]
    )


async def get_send(account: Account, given: Namespace) -> Output:
    sender = given.sender or account.sender
    found: Sequence[Accepted | GatewayError]
    try:
        found = await operations.send(account.get, given.phone, given.text, sender=sender, seconds=SECONDS)
    except GatewayError as error:
        if not given.json:
            raise
        found = [error] * len(given.phone)
    return _told([_row(phone, outcome) for phone, outcome in zip(given.phone, found, strict=True)])


async def viber_send(account: Account, given: Namespace) -> Output:
    _check_client_id(given)
    channels = (given.channels or ("viber-sms" if given.sms_text else "viber")).split("-")
    if given.sms_text and "sms" not in channels:
        raise SettingsError("--sms-text: by these --channels no SMS is sent")
    viber = cascade.Viber(
        channels.index("viber") + 1 if "viber" in channels else 0,
        given.sender or account.viber_sender,
        given.text,
        given.button_text,
        given.button_url,
        given.image_url,
        given.validity_minutes,
        given.read_is_final,
    )
    sms = cascade.Sms(
        channels.index("sms") + 1 if "sms" in channels else 0,
        given.sms_sender or account.sender,
        given.sms_text or given.text,
    )
    message = cascade.Message(
        [cascade.Recipient(phone, given.client_id or "") for phone in given.phone],
        viber if viber.order else None,
        sms if sms.order else None,
        given.name_delivery,
        given.at,
    )
    if broken := cascade.violations(message):
        raise SettingsError(f"nothing was sent: {'; '.join(broken)}")
    try:
        found = await cascade_sending.send(account.json, [message], account.zone, seconds=SECONDS)
    except GatewayError as error:
        if not given.json:
            raise
        return _told([_row(phone, error) | {"viber_id": None, "sms_id": None} for phone in given.phone])
    return _told(
        [
            _row(each.phone, each.outcome) | {"viber_id": each.viber_id or None, "sms_id": each.sms_id or None}
            for each in found
        ]
    )


async def smska_send(account: Account, given: Namespace) -> Output:
    """One request for each phone; a refusal of one does not keep the others from being tried."""
    rows = []
    for phone in given.phone:
        outcome: Accepted | GatewayError
        try:
            sender = given.sender or account.sender
            outcome = await k.send(account.smska, phone, given.text, sender=sender, seconds=SECONDS)
        except GatewayError as error:
            outcome = error
        rows.append(_row(phone, outcome))
    return _told(rows)


def _check_client_id(given: Namespace) -> None:
    if given.client_id and len(given.phone) > 1:
        raise SettingsError("--client-id: names one message, so give one phone")


def _row(phone: str, outcome: Accepted | GatewayError) -> dict[str, Any]:
    """What is not known is None."""
    row: dict[str, Any] = {"phone": phone, "id": None, "parts": None, "reason": None, "explanation": None}
    if isinstance(outcome, GatewayError):
        status = MessageStatus.UNCLEAR if unclear(outcome) else "refused"
        return row | {"status": status, "reason": outcome.reason, "explanation": explanation(outcome)}
    row |= {"status": outcome.status, "id": outcome.provider_id or None, "parts": outcome.parts or None}
    if outcome.earlier:
        return row | {"status": "already_sent", "explanation": SENT_BEFORE}
    if outcome.status is MessageStatus.HELD:
        return row | {"explanation": f"not enough money: it goes out after a top-up («{errors.HELD}»)"}
    return row


SENT_BEFORE = f"nothing was sent now: the gateway has this message already («{errors.ALREADY_SENT}»)"
NOTES = (
    (
        MessageStatus.UNCLEAR,
        1,
        "unclear: it may have been sent; look at the phone or at the statistics before you repeat it",
    ),
    ("refused", 1, ""),
    (
        MessageStatus.HELD,
        HELD,
        "held: it goes out after a top-up; `otp-service targetsms scheduled delete ID` takes it back",
    ),
    ("already_sent", ALREADY_SENT, "already sent: nothing was sent now"),
)
"""By status, the weightiest first: exit code and what a person is told."""


def _told(rows: Sequence[Mapping[str, Any]]) -> Output:
    statuses = {row["status"] for row in rows}
    code, note = next(((code, note) for status, code, note in NOTES if status in statuses), (0, ""))
    return Output(rows, code != 1, note, code)
