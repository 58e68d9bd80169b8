"""What happens to an SMS that is handed in: the order of checks, money, holding, dispatch. Same for every gateway.

The order of checks is ours (the documents give none); the texts are verbatim from X3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from otp_service.sandbox.accounts import Account, area_of
from otp_service.sandbox.messages import CLOSED_AREA_ENDING, STOP_LIST_ENDING, Message, fate_of
from otp_service.sandbox.parts import count_parts
from otp_service.sandbox.state import Sandbox

TEXTS = {
    1: "У нас закончились SMS. Для разрешения проблемы свяжитесь с менеджером.",
    2: "Закончились SMS.",
    3: "Аккаунт заблокирован.",
    4: "Укажите номер телефона.",
    5: "Номер телефона присутствует в стоп-листе.",
    6: "Данное направление закрыто для вас.",
    7: "Данное направление закрыто.",
    8: "Недостаточно средств для отправки SMS. "
    "SMS будет отправлена как только вы пополните счет по данному направлению.",
    9: "Текст SMS отклонен модератором.",
    10: "Нет отправителя.",
    11: "Отправитель не должен превышать 15 символов для цифровых номеров и 11 символов для буквенно-числовых.",
    12: "Номер телефона должен быть меньше 15 символов.",
    13: "Нет текста сообщения.",
    14: "Нет ссылки.",
    15: "Такого отправителя нет.",
    16: "Отправитель не прошел модерацию.",
    17: "Данное сообщение уже было отправлено.",
}
"""X3, by the number in the document. 1, 2, 3 and 14 come only through the fault `message_error`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An SMS as it was handed in. phone and sender as written; times UTC, None = now and the longest life."""

    gateway: str
    phone: str
    sender: str
    text: str
    client_id: str = ""
    send_at: datetime | None = None
    valid_until: datetime | None = None


def refusal(account: Account, draft: Draft) -> int | None:
    """The number of the text (`TEXTS`) that refuses the draft; None: it may go."""
    checks = (
        (4, not is_digits(draft.phone)),
        (12, len(draft.phone) >= 15),
        (13, not draft.text),
        (10, not draft.sender),
        (11, len(draft.sender) > (15 if is_digits(draft.sender) else 11)),
        (15, not account.any_originator and draft.sender not in account.senders),
        (16, not account.any_originator and account.senders.get(draft.sender) != "completed"),
        (5, draft.phone in account.stop_list or draft.phone.endswith(STOP_LIST_ENDING)),
        (6, area_of(draft.phone) in account.closed_areas),
        (7, account.price_to(draft.phone) is None or draft.phone.endswith(CLOSED_AREA_ENDING)),
        (9, any(word.casefold() in draft.text.casefold() for word in account.moderated_words)),
    )
    return next((number for number, applies in checks if applies), None)


def is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def compose(sandbox: Sandbox, account: Account, draft: Draft, message_id: str) -> Message:
    """The SMS as it will be kept; nothing has happened to it yet. The area of the phone must have a price."""
    return Message(
        id=message_id,
        account=account.key,
        gateway=draft.gateway,
        phone=draft.phone,
        sender=draft.sender,
        text=draft.text,
        parts=count_parts(draft.text),
        price=account.prices[area_of(draft.phone)],
        taken_at=sandbox.clock.now(),
        fate=fate_of(draft.phone),
        client_id=draft.client_id,
        send_at=draft.send_at,
        valid_until=draft.valid_until,
    )


def affordable(sandbox: Sandbox, message: Message) -> bool:
    return sandbox.accounts[message.account].money >= message.cost


def take(sandbox: Sandbox, message: Message) -> None:
    """Keep the SMS; dispatch it, or let it wait: scheduled for later, or held until the money suffices."""
    sandbox.keep(message)
    sandbox.waiting[message.id] = message
    settle(sandbox)


def settle(sandbox: Sandbox) -> None:
    """Dispatch what became due or affordable since the last request; forget what need not wait any more."""
    now = sandbox.clock.now()
    for message in list(sandbox.waiting.values()):
        leaves_at = now if message.held else message.send_at or message.taken_at
        dead = message.valid_until is not None and message.valid_until <= max(leaves_at, message.taken_at)
        if leaves_at <= now and not dead and not message.canceled_at:
            _dispatch_or_hold(sandbox, message, leaves_at)
        if not message.waiting or (dead and leaves_at <= now):
            del sandbox.waiting[message.id]


def _dispatch_or_hold(sandbox: Sandbox, message: Message, leaves_at: datetime) -> None:
    """Money is taken when an SMS leaves, not when it is scheduled."""
    message.held = not affordable(sandbox, message)
    if message.held:
        return
    account = sandbox.accounts[message.account]
    sandbox.accounts[account.key] = replace(account, money=account.money - message.cost)
    message.sent_at = max(leaves_at, message.taken_at)
