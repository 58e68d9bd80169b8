"""What the error texts of TargetSMS mean. Shared by all its APIs; the documents list texts, never numbers."""

from __future__ import annotations

import re
import unicodedata

from otp_service.domain.reasons import Reason
from otp_service.gateways.base import GatewayError, Then

HELD = (
    "Недостаточно средств для отправки SMS. SMS будет отправлена как только вы пополните счет по данному направлению."
)
"""X3, 8: not a refusal. The SMS is kept and goes out after a top-up."""

ALREADY_SENT = "Данное сообщение уже было отправлено."
"""X3, 17: an earlier request with this client id was taken."""

DUPLICATE = "Попытка отправки более одного одинакового запроса в течение минуты"
"""G5: an identical request came within the last minute. After a send of ours, that send was taken."""

UNKNOWN_ID = "Сообщение с таким ID не принималось"
"""J2: the answer about an id that the account does not have."""

TEXTS = {
    # P3
    "Неверный логин или пароль": (Reason.CREDENTIALS, Then.NEXT),
    # X3, errors of a request; without the second also those of X4 to X25
    "Неправильный формат XML документа": (Reason.BAD_REQUEST, Then.NEXT),
    "Ваш аккаунт заблокирован": (Reason.ACCOUNT_BLOCKED, Then.NEXT),
    "Неправильный логин или пароль": (Reason.CREDENTIALS, Then.NEXT),
    "POST данные отсутствуют": (Reason.BAD_REQUEST, Then.NEXT),
    # X3, errors of a message, 1 to 17
    "У нас закончились SMS. Для разрешения проблемы свяжитесь с менеджером.": (Reason.GATEWAY_EXHAUSTED, Then.NEXT),
    "Закончились SMS.": (Reason.FUNDS, Then.NEXT),
    "Аккаунт заблокирован.": (Reason.ACCOUNT_BLOCKED, Then.NEXT),
    "Укажите номер телефона.": (Reason.INVALID_NUMBER, Then.STOP),
    "Номер телефона присутствует в стоп-листе.": (Reason.STOP_LIST, Then.STOP),
    "Данное направление закрыто для вас.": (Reason.DIRECTION_CLOSED, Then.NEXT),
    "Данное направление закрыто.": (Reason.DIRECTION_CLOSED, Then.NEXT),
    HELD: (Reason.FUNDS, Then.UNCLEAR),
    "Текст SMS отклонен модератором.": (Reason.CONTENT, Then.NEXT),
    "Нет отправителя.": (Reason.SENDER, Then.NEXT),
    "Отправитель не должен превышать 15 символов для цифровых номеров и 11 символов для буквенно-числовых.": (
        Reason.SENDER,
        Then.NEXT,
    ),
    "Номер телефона должен быть меньше 15 символов.": (Reason.INVALID_NUMBER, Then.STOP),
    "Нет текста сообщения.": (Reason.BAD_REQUEST, Then.NEXT),
    "Нет ссылки.": (Reason.BAD_REQUEST, Then.NEXT),
    "Такого отправителя нет.": (Reason.SENDER, Then.NEXT),
    "Такого отправителя Нет.": (Reason.SENDER, Then.NEXT),  # G5
    "Отправитель не прошел модерацию.": (Reason.SENDER, Then.NEXT),
    ALREADY_SENT: (Reason.BROKEN_ANSWER, Then.UNCLEAR),
    # X12, X13, X18, X20: only about lists and statistics
    "Базы с таким номером не существует": (Reason.BAD_REQUEST, Then.NEXT),
    "Некорректный формат даты": (Reason.BAD_REQUEST, Then.NEXT),
    "Такой оператор не обнаружен": (Reason.BAD_REQUEST, Then.NEXT),
    # G5, J2, and the JSON interfaces of the platform (E11)
    DUPLICATE: (Reason.THROTTLED, Then.NEXT),
    UNKNOWN_ID: (Reason.BAD_REQUEST, Then.NEXT),
    "Неправильный формат JSON документа": (Reason.BAD_REQUEST, Then.NEXT),
}
"""HELD and ALREADY_SENT are good news about a message of ours (`outcomes`); elsewhere an SMS may be on its way."""

KEYWORDS = {
    "логин": Reason.CREDENTIALS,
    "парол": Reason.CREDENTIALS,
    "стоп-лист": Reason.STOP_LIST,
    "баланс": Reason.FUNDS,
    "средств": Reason.FUNDS,
    "закончились": Reason.FUNDS,
    "отправител": Reason.SENDER,
    "заблокирован": Reason.ACCOUNT_BLOCKED,
}
"""For texts that no document lists, in this order. A guess never ends the walk: the next gateway is tried."""


def same(text: str, other: str) -> bool:
    """Whether two texts differ only in what the documents themselves vary: case, blanks, the final dot, `error:`."""
    return _bare(text) == _bare(other)


def error_of(text: str) -> GatewayError:
    """The error that a text of the gateway stands for. One that no document lists is only for operators to read."""
    bare = _bare(text)
    documented = text if text in TEXTS else _BARE_TEXTS.get(bare)
    if documented:
        return GatewayError(*TEXTS[documented], documented)
    reason = next((reason for word, reason in KEYWORDS.items() if word in bare), Reason.UNKNOWN_ERROR)
    return GatewayError(reason, Then.NEXT, said=text)


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).casefold()
    return re.sub(r"\s+", " ", folded).strip().removeprefix("error:").strip().rstrip(". ")


_BARE_TEXTS = {_bare(text): text for text in reversed(TEXTS)}
