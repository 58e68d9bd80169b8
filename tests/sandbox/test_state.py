"""What the sandbox keeps, and what it forgets when there is too much of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from otp_service.sandbox import state
from otp_service.sandbox.messages import Message, Status
from otp_service.sandbox.state import Sandbox


def message(sandbox: Sandbox, phone: str) -> Message:
    made = Message(
        id=sandbox.new_id(),
        account=("targetsms", "demo"),
        gateway="password",
        phone=phone,
        sender="target",
        text="1234",
        parts=1,
        price=Decimal(1),
        taken_at=sandbox.clock.now(),
        fate=Status.DELIVERED,
        client_id=phone,
    )
    sandbox.keep(made)
    return made


def test_messages_of_a_phone_newest_first() -> None:
    sandbox = Sandbox()
    mine, _, later = (message(sandbox, phone) for phone in ("79161234567", "79161234568", "79161234567"))
    assert sandbox.newest("+7 916 123-45-67", 10) == [later, mine]
    assert sandbox.newest("+79161234567", 1) == [later]
    assert sandbox.newest("+79169999999", 10) == []
    assert len(sandbox.newest("", 10)) == 3


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "KEPT_MESSAGES", 3)
    sandbox = Sandbox()
    first, second, *_, last = [message(sandbox, f"7916123456{n}") for n in (7, 7, 8, 8)]
    assert sandbox.newest("79161234567", 10) == [second]
    assert first.id not in sandbox.messages
    message(sandbox, "79161234569")
    assert sandbox.newest("79161234567", 10) == []
    assert sandbox.newest("79161234568", 1) == [last]
    sandbox.reset()
    assert sandbox.newest("79161234568", 1) == []
