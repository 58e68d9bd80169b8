"""When a gateway is asked about a message again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otp_service.domain.polling import next_look_ms
from otp_service.domain.verifications import Status


def seconds(
    age: float, *, least: float = 0, answered: bool = True, status: str = "pending", left: float = 1000
) -> float:
    """Until the next look at a message that was sent so long ago."""
    now = 1_000_000
    found: Any = SimpleNamespace(now=now, status=Status(status), created_at=0, expires_at=(now + left * 1000) / 2)
    message: Any = SimpleNamespace(sent_at=now - age * 1000, queued_at=0)
    return next_look_ms(found, message, least, answered=answered) / 1000


@pytest.mark.parametrize(("age", "wait"), [(0, 5), (4.8, 5.2), (5, 5), (10, 5), (29, 1), (31, 29), (130, 170)])
def test_looks_become_rarer(age: float, wait: float) -> None:
    assert seconds(age) == pytest.approx(wait)


def test_an_unanswered_question_is_repeated_soon_while_somebody_waits() -> None:
    assert seconds(130, answered=False) == 5
    assert seconds(29, answered=False) == 1
    assert seconds(130, answered=False, status="approved") == 170
    assert seconds(130, answered=False, least=61) == 61
    assert seconds(130, left=3) == 3
