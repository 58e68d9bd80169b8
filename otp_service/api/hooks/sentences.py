"""What a person reads when no code comes: one sentence, without names, numbers or insides."""

from __future__ import annotations

from collections.abc import Mapping

TOO_OFTEN = {"ru": "Слишком много сообщений. Попробуйте позже.", "en": "Too many messages. Try again later."}
WRONG_PHONE = {"ru": "Проверьте номер телефона.", "en": "Check the phone number."}
NOT_HERE = {
    "ru": "На этот номер сообщения не отправляются. Укажите другой.",
    "en": "No messages are sent to this number. Use another one.",
}
NOT_NOW = {
    "ru": "Сейчас отправить сообщение не удалось. Попробуйте ещё раз.",
    "en": "The message could not be sent now. Try again.",
}
NOT_POSSIBLE = {"ru": "Отправить сообщение не удалось.", "en": "The message could not be sent."}

BY_CODE: Mapping[str, Mapping[str, str]] = {
    "invalid_phone": WRONG_PHONE,
    "phone_rejected": NOT_HERE,
    "country_not_allowed": NOT_HERE,
    "number_type_not_allowed": NOT_HERE,
    "on_block_list": NOT_HERE,
    "phone_disabled": NOT_HERE,
    "suspected_pumping": TOO_OFTEN,
    "challenge_required": TOO_OFTEN,
    "too_soon": TOO_OFTEN,
    "limit_exceeded": TOO_OFTEN,
    "budget_exhausted": TOO_OFTEN,
    "no_gateway_available": NOT_NOW,
    "busy": NOT_NOW,
    "storage_unavailable": NOT_NOW,
    "confirmation_pending": NOT_NOW,
    "request_in_progress": NOT_NOW,
}


def sentence(code: str, locale: str) -> str:
    """At most 160 characters."""
    found = BY_CODE.get(code, NOT_POSSIBLE)
    return found.get(locale) or found["en"]
