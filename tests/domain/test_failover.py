"""When the next gateway has its turn."""

from __future__ import annotations

import pytest

from otp_service.domain.failover import ON_FAILURE_ONLY_MS, PUT_OFF_MS, Asked, Turn, turn, wait_ms
from otp_service.domain.messages import CodeSource, Message, MessageStatus


def messages(*statuses: str) -> list[Message]:
    return [
        Message(
            number,
            "xml",
            "sms",
            CodeSource.LOCAL,
            MessageStatus(status),
            0,
            sent_at=status not in ("unclear", "rejected"),
        )
        for number, status in enumerate(statuses, 1)
    ]


@pytest.mark.parametrize(
    ("statuses", "due", "come", "asked", "failovers", "then"),
    [
        (["accepted"], False, True, "answered", 0, Turn.NOT_YET),
        (["accepted"], True, True, "answered", 0, Turn.NOW),
        (["accepted"], True, True, "answered", 3, Turn.NOW),
        (["accepted"], True, False, "answered", 0, Turn.ON_FAILURE),
        (["accepted"], True, False, "silent", 0, Turn.ON_FAILURE),
        (["accepted"], True, True, "busy", 0, Turn.SOON),
        (["accepted"], True, True, "silent", 0, Turn.NOW),
        (["accepted", "accepted"], True, True, "silent", 1, Turn.SOON),
        (["undelivered"], False, False, "silent", 2, Turn.NOW),
        (["expired"], False, True, "answered", 0, Turn.NOW),
        (["unclear"], False, True, "answered", 0, Turn.NOT_YET),
        (["unclear"], True, False, "silent", 3, Turn.NOW),
        (["accepted", "rejected"], True, True, "answered", 0, Turn.NOW),
        (["unknown"], True, True, "answered", 0, Turn.NEVER),
        (["delivered", "undelivered"], True, True, "answered", 1, Turn.NEVER),
        (["rejected"], True, True, "answered", 0, Turn.NEVER),
        ([], True, True, "answered", 0, Turn.NEVER),
    ],
)
def test_turns(statuses: list[str], due: bool, come: bool, asked: str, failovers: int, then: Turn) -> None:
    found = turn(
        messages(*statuses), due=due, reports_come=lambda _: come, asked=lambda _: Asked(asked), failovers=failovers
    )

    assert found is then
    assert (found in PUT_OFF_MS) == (found in (Turn.SOON, Turn.ON_FAILURE))


@pytest.mark.parametrize(
    ("after", "waits"),
    [(30, [30, 15, 10, 10]), (60, [60, 30, 15, 10]), (15, [15, 10, 10]), (4, [4, 4]), (10, [10, 10])],
)
def test_each_wait_is_half_of_the_one_before_but_never_below_10_s(after: float, waits: list[float]) -> None:
    assert [wait_ms(after, failovers) / 1000 for failovers in range(len(waits))] == waits
    assert wait_ms(0, 1) == ON_FAILURE_ONLY_MS
