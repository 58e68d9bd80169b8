"""What to do where no code came."""

from __future__ import annotations

from typing import Any

import pytest

from otp_service.domain.advice import Advice, advice, patience_ms
from otp_service.domain.inbound import Expected
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.verifications import Status, Verification

NOW = 1_000_000


def message(status: str, ago: int = 60, channel: str = "sms", *, sent: bool = True) -> Message:
    at = NOW - ago * 1000
    return Message(
        1, "gateway", channel, CodeSource.LOCAL, MessageStatus(status), at, queued_at=at, sent_at=at if sent else 0
    )


def verification(*messages: Message, age: int = 60, **changes: Any) -> Verification:
    fields: dict[str, Any] = {
        "id": "v", "application": "web", "phone": "+79161234567", "purpose": "login", "channel": "sms", "locale": "ru",
        "platform": "", "reference": "", "subject": "", "number": Number(), "status": Status.PENDING,
        "created_at": NOW - age * 1000, "expires_at": NOW + 60_000, "resend_at": NOW, "attempts": 0, "max_attempts": 5,
        "sends": len(messages), "max_sends": 5, "ended_at": 0, "attempted_at": (), "revision": 1,
        "messages": messages, "now": NOW, **changes,
    }  # fmt: skip
    return Verification(**fields)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (verification(message("accepted", 5)), "wait"),
        (verification(message("queued", 1, sent=False)), "wait"),
        (verification(message("delivered", 90)), "wait"),
        (verification(message("accepted", 31)), "resend"),
        (verification(message("undelivered", 5)), "try_channel:telegram"),
        (verification(message("unknown")), "try_channel:telegram"),
        (verification(message("undelivered", channel="telegram"), message("undelivered")), "resend"),
        (verification(message("undelivered"), message("expired", channel="telegram")), "resend"),
        (verification(message("held", 1)), "resend"),
        (verification(message("undelivered"), message("undelivered"), message("expired", channel="telegram")),
         "sms_likely_blocked"),
        (verification(message("accepted", 60), max_sends=1), "ask_operator"),
        (verification(message("accepted", 60), age=500), "ask_operator"),
        (verification(message("undelivered", channel="email"), phone="anna@example.org"), "resend"),
        (verification(message("undelivered", 5), status=Status.APPROVED), ""),
        (verification(expected=Expected("+7900", "", "123456")), "inbound"),
    ],
)  # fmt: skip
def test_advice(found: Verification, said: str) -> None:
    assert advice(found, ["sms", "telegram", "email"], inbound=False) == said


def test_the_last_resort() -> None:
    """Where an application takes it; whoever has an address alone sends no SMS."""
    spent = verification(message("undelivered"), message("undelivered"), max_sends=2)
    assert advice(spent, ["sms"], inbound=True) == Advice.INBOUND
    assert advice(spent, ["sms"], inbound=False) == Advice.SMS_LIKELY_BLOCKED
    by_mail = verification(message("undelivered", channel="email"), max_sends=1, phone="anna@example.org")
    assert advice(by_mail, ["email"], inbound=True) == Advice.ASK_OPERATOR


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([], 30), ([4000] * 100, 30), ([None, None, 4000, None], 10), ([None, None], 30), ([40_000] * 100, 40),
        ([600_000] * 100, 30), ([4000] * 10 + [None] * 90, 30),
    ],
)  # fmt: skip
def test_a_gateway_is_waited_for_as_it_usually_is(ends: list[int | None], seconds: int) -> None:
    """Its newest ends first; what comes after a minute says nothing of when to give up."""
    assert patience_ms(ends) == seconds * 1000
    found = verification(message("accepted", seconds - 1))
    assert advice(found, ["sms"], inbound=False, patience_ms=lambda _: patience_ms(ends)) == Advice.WAIT
    found = verification(message("accepted", seconds + 1))
    assert advice(found, ["sms"], inbound=False, patience_ms=lambda _: patience_ms(ends)) == Advice.RESEND
