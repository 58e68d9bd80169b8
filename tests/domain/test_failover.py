"""When the next gateway has its turn."""

from __future__ import annotations

import pytest

from otp_service.domain.failover import (
    BUSY_MS,
    ENOUGH_OF_GROUP,
    LEAST_LEARNED_SECONDS,
    ON_FAILURE_ONLY_MS,
    PUT_OFF_MS,
    VERY_LATE_MS,
    Asked,
    Turn,
    of_group,
    turn,
    wait_ms,
)
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
        (["accepted"], True, None, "answered", 0, Turn.ON_FAILURE),
        (["accepted", "accepted"], True, None, "answered", 1, Turn.NOW),
        (["accepted", "accepted"], True, False, "answered", 1, Turn.ON_FAILURE),
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
def test_turns(statuses: list[str], due: bool, come: bool | None, asked: str, failovers: int, then: Turn) -> None:
    found = turn(
        messages(*statuses),
        due=due,
        reports_come=lambda _: come,
        asked=Asked(asked),
        late_ms=BUSY_MS - 1 if due else 0,
        failovers=failovers,
    )

    assert found is then
    assert (found in PUT_OFF_MS) == (found in (Turn.SOON, Turn.ON_FAILURE))


@pytest.mark.parametrize(("failovers", "then"), [(0, Turn.NOW), (1, Turn.SOON)])
def test_a_gateway_that_is_too_slow_to_be_asked_is_one_that_does_not_answer(failovers: int, then: Turn) -> None:
    for come, found in ((True, then), (False, Turn.ON_FAILURE)):
        assert found is turn(
            messages(*["accepted"] * (failovers + 1)),
            due=True,
            reports_come=lambda _, come=come: come,
            asked=Asked.BUSY,
            late_ms=BUSY_MS,
            failovers=failovers,
        )


@pytest.mark.parametrize(
    ("after", "waits"),
    [(30, [30, 15, 10, 10]), (60, [60, 30, 15, 10]), (15, [15, 10, 10]), (4, [4, 4]), (10, [10, 10])],
)
def test_each_wait_is_half_of_the_one_before_but_never_below_10_s(after: float, waits: list[float]) -> None:
    assert [wait_ms(after, failovers) / 1000 for failovers in range(len(waits))] == waits
    assert wait_ms(0, 1) == ON_FAILURE_ONLY_MS


def test_a_gateway_of_which_nothing_is_known_is_waited_for_as_long_as_sms_take() -> None:
    assert [wait_ms(30, failovers, []) for failovers in range(4)] == [17_000, 11_000, 10_000, 10_000]


def test_what_is_learned_of_a_gateway() -> None:
    """A fast one is given up sooner, a slow one no later than the settings say, and never before anybody could know."""
    assert wait_ms(30, 0, [2_000] * 100) == 8_500
    assert wait_ms(30, 1, [2_000] * 100) == LEAST_LEARNED_SECONDS * 1000
    assert wait_ms(30, 0, [12_000] * 70 + [20_000] * 30) == 20_000
    assert wait_ms(30, 0, [50_000] * 100) == 30_000
    assert wait_ms(10, 0, [50_000] * 100) == wait_ms(10, 0, []) == 10_000
    assert wait_ms(0, 0, [2_000] * 100) == ON_FAILURE_ONLY_MS


def test_lost_and_very_late_messages_do_not_make_anybody_wait() -> None:
    arrived = [5_000] * 60
    assert wait_ms(30, 0, arrived + [None] * 20 + [VERY_LATE_MS + 1] * 20) == wait_ms(30, 0, arrived)


def test_who_is_waited_for_as_long_as_others_of_the_operator() -> None:
    """Once enough is known of them; until then as for everybody."""
    slow, all_of_it = [11_000] * ENOUGH_OF_GROUP, [3000] * 100
    assert wait_ms(30, 0, of_group(slow, all_of_it)) == 13_000 > wait_ms(30, 0, of_group(slow[1:], all_of_it))
    assert of_group(slow[1:], all_of_it) == all_of_it
