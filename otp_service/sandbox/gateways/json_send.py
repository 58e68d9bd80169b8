"""J1: sending messages by Viber and SMS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.cascades import Cascade, start
from otp_service.sandbox.drafts import TEXTS, is_digits, refusal
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.json_message import Asked, Recipient, read_message
from otp_service.sandbox.gateways.json_values import objects
from otp_service.sandbox.messages import Channel
from otp_service.sandbox.state import Sandbox

BAD_CLIENT_ID = "client_id_message должен быть числом"  # ours

Item = dict[str, str]
Row = list[Item] | Item
"""The answer to one message: an item for each phone, or one for the whole message that is refused."""


def send(sandbox: Sandbox, account: Account, asked: list[Any], fault: Fault | None) -> list[Row]:
    """All messages are read before the first is sent: a malformed document sends nothing (ours)."""
    messages = [read_message(account, message) for message in objects({"message": asked}, "message")]
    return [
        {"error": message.error}
        if message.error
        else [_send_one(sandbox, account, message, recipient, fault) for recipient in message.recipients]
        for message in messages
    ]


def _send_one(sandbox: Sandbox, account: Account, asked: Asked, recipient: Recipient, fault: Fault | None) -> Item:
    """The texts of X3 (ours). A client id that X3 used has no id_message to answer with: text 17 (ours)."""
    refused: Item = {"client_id_message": recipient.client_id, "phone": recipient.phone}
    if fault is not None and fault.fault == "message_error":
        return refused | {"error": fault.error}
    if recipient.client_id and not is_digits(recipient.client_id):
        return refused | {"error": BAD_CLIENT_ID}
    drafts = [replace(draft, phone=recipient.phone, client_id=recipient.client_id) for draft in asked.drafts]
    if number := next(filter(None, (refusal(account, draft) for draft in drafts)), None):
        return refused | {"error": TEXTS[number]}
    earlier = sandbox.sent_before(account, recipient.client_id) if recipient.client_id else None
    if earlier and (account.dedupe == "error" or earlier.cascade not in sandbox.cascades):
        return refused | {"error": TEXTS[17]}
    if earlier:
        cascade = sandbox.cascades[earlier.cascade]
    else:
        cascade = Cascade(
            id=sandbox.new_id(),
            account=account.key,
            phone=recipient.phone,
            client_id=recipient.client_id,
            read_is_final=asked.read_is_final,
            ahead=drafts,
            messages=[],
        )
        start(sandbox, cascade)
    if cascade.messages[0].held and not account.held_with_id:
        return refused | {"error": TEXTS[8]}
    return _accepted(cascade)


def _accepted(cascade: Cascade) -> Item:
    """count_message: parts in the first channel. A held message says so beside its ids, as in X3 (ours)."""
    first = cascade.messages[0]
    item = {
        "id_message": cascade.id,
        "client_id_message": cascade.client_id,
        "phone": cascade.phone,
        "count_message": str(first.parts),
        "id_viber": _id(cascade, "viber"),
        "id_sms": _id(cascade, "sms"),
    }
    return item | {"error": TEXTS[8]} if first.held else item


def _id(cascade: Cascade, channel: Channel) -> str:
    message = cascade.by(channel)
    return message.id if message else "0"
