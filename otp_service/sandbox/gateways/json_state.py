"""J2: the state of messages, as a whole and by channel."""

from __future__ import annotations

from typing import Any

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.cascades import IN_PROGRESS
from otp_service.sandbox.gateways.json_values import objects, written
from otp_service.sandbox.gateways.states import UNKNOWN_ID, WORDS
from otp_service.sandbox.messages import Message, Status
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, write_time

EMPTY = ("state_sms", "state_viber", "num_parts_sms", "price_sms", "price_viber")
"""What else an unknown id answers: nothing (ours), in the fields of any other answer."""


def state(sandbox: Sandbox, account: Account, asked: list[Any]) -> list[dict[str, str]]:
    return [_state(sandbox, account, written(item, "id_message")) for item in objects({"state": asked}, "state")]


def _state(sandbox: Sandbox, account: Account, id_message: str) -> dict[str, str]:
    """Ours: time_change_state of a message in progress is when its last channel began."""
    cascade = sandbox.cascades.get(id_message)
    if cascade is None or cascade.account != account.key:
        unknown = {"id_message": id_message, "time_change_state": "", "state": UNKNOWN_ID}
        return unknown | dict.fromkeys(EMPTY, "")
    now = sandbox.clock.now()
    sms, viber = cascade.by("sms"), cascade.by("viber")
    last = cascade.messages[-1]
    status, since = cascade.status_at(now)
    if status in IN_PROGRESS or cascade.id in sandbox.running:
        whole = "send"
    else:  # `read` is no word of a whole message, as `deliver` is final (ours)
        whole = WORDS[Status.DELIVERED if status is Status.READ and last.viber else status]
    return {
        "id_message": id_message,
        "time_change_state": write_time(account, since or last.sent_at or last.taken_at, SECOND),
        "state": whole,
        "state_sms": _of_channel(sandbox, sms),
        "state_viber": _of_channel(sandbox, viber),
        "num_parts_sms": str(sms.parts) if sms and sms.sent_at else "0",
        "price_sms": _spent(sms),
        "price_viber": _spent(viber),
    }


def _of_channel(sandbox: Sandbox, message: Message | None) -> str:
    """`send` means «Не было отправлено»; a channel that is busy has no other word (ours)."""
    return WORDS[message.status_at(sandbox.clock.now())[0]] if message else "send"


def _spent(message: Message | None) -> str:
    """«Списанные средства»: for all parts. 0 for what was not sent, as with the ids (ours)."""
    return plain(message.cost) if message and message.sent_at else "0"
