"""Functions of commands that send and cost money. None is repeated by itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from otp_service.cli.accounts.opening import SECONDS, Account
from otp_service.cli.accounts.telling import Told, explanation, unclear
from otp_service.domain.messages import MessageStatus
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, GatewayError
from otp_service.gateways.smska import api as k
from otp_service.gateways.targetsms import cascade, cascade_sending, get_api
from otp_service.gateways.targetsms import sending as x3


async def send(account: Account, given: Namespace) -> Told:
    _check_client_id(given)
    recipients = [x3.Recipient(each, given.client_id or "", given.at, given.valid_until) for each in given.phone]
    sms = x3.Sms(given.sender or account.sender, given.text, recipients, given.translite, given.name_delivery)
    found = await x3.send_all(account.xml, [sms], account.zone, seconds=SECONDS)
    return _told([_row(each.phone, each.outcome) for each in found])


async def get_send(account: Account, given: Namespace) -> Told:
    sender = given.sender or account.sender
    found = await get_api.send(account.get, given.phone, given.text, sender=sender, seconds=SECONDS)
    return _told([_row(phone, outcome) for phone, outcome in zip(given.phone, found, strict=True)])


async def viber_send(account: Account, given: Namespace) -> Told:
    _check_client_id(given)
    message = cascade.Message(
        [cascade.Recipient(phone, given.client_id or "") for phone in given.phone],
        cascade.Viber(
            1,
            given.sender or account.viber_sender,
            given.text,
            given.button_text,
            given.button_url,
            given.image_url,
            given.validity_minutes,
            given.read_is_final,
        ),
        cascade.Sms(2, given.sms_sender or account.sender, given.sms_text) if given.sms_text else None,
        given.name_delivery,
        given.at,
    )
    if broken := cascade.violations(message):
        raise SettingsError(f"nothing was sent: {'; '.join(broken)}")
    found = await cascade_sending.send(account.json, [message], account.zone, seconds=SECONDS)
    return _told(
        [_row(each.phone, each.outcome) | {"viber_id": each.viber_id, "sms_id": each.sms_id} for each in found]
    )


async def smska_send(account: Account, given: Namespace) -> Told:
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
    if isinstance(outcome, Accepted):
        return {
            "phone": phone,
            "status": outcome.status,
            "id": outcome.provider_id,
            "parts": outcome.parts,
            "reason": None,
            "explanation": None,
        }
    status = MessageStatus.UNCLEAR if unclear(outcome) else "refused"
    return {
        "phone": phone,
        "status": status,
        "id": "",
        "parts": 0,
        "reason": outcome.reason,
        "explanation": explanation(outcome),
    }


def _told(rows: Sequence[Mapping[str, Any]]) -> Told:
    doubt = any(row["status"] == MessageStatus.UNCLEAR for row in rows)
    note = (
        "unclear: it may have been sent; look at the phone or at the statistics before you repeat it" if doubt else ""
    )
    return Told(rows, not any(row["reason"] for row in rows), note)
