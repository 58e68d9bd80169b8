"""A message as it is handed in, and whether the gateway takes it. Same for every gateway of the platform.

The order of checks is ours (the documents give none); the texts are verbatim from X3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from otp_service.sandbox.accounts import Account, area_of
from otp_service.sandbox.messages import CLOSED_AREA_ENDING, STOP_LIST_ENDING, Viber

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
"""X3, by the number in the document."""

NAME_DELIVERY = "Шлюз"
"""X3 and J1: the name of a mailing that has none."""


@dataclass(slots=True)
class Draft:
    """A message as it was handed in. phone and sender as written; times UTC, None = now and the longest life.

    type: `message@type` of X3. link: of a WAP push.
    """

    gateway: str
    phone: str
    sender: str
    text: str
    viber: Viber | None = None
    type: str = "sms"
    link: str = ""
    name_delivery: str = NAME_DELIVERY
    client_id: str = ""
    send_at: datetime | None = None
    valid_until: datetime | None = None


def refusal(account: Account, draft: Draft) -> int | None:
    """The number of the text (`TEXTS`) that refuses the draft; None: it may go."""
    known = account.any_originator or draft.sender in account.senders
    ready = account.any_originator or account.senders.get(draft.sender) == "completed"
    checks = (
        (3, account.blocked),
        (4, not is_digits(draft.phone)),
        (12, len(draft.phone) >= 15),
        (13, not draft.text),
        (14, draft.type == "wappush" and not draft.link),
        (10, not draft.sender),
        (11, draft.viber is None and len(draft.sender) > (15 if is_digits(draft.sender) else 11)),
        (15, not known),
        (16, not ready),
        (5, draft.phone in account.stop_list or draft.phone.endswith(STOP_LIST_ENDING)),
        (6, area_of(draft.phone) in account.closed_areas),
        (7, account.price_to(draft.phone) is None or draft.phone.endswith(CLOSED_AREA_ENDING)),
        (9, any(word.casefold() in draft.text.casefold() for word in account.moderated_words)),
        (1, account.gateway_out_of_sms),
        (2, account.out_of_sms),
    )
    return next((number for number, applies in checks if applies), None)


def is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
