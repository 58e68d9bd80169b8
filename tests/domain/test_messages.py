"""Statuses of a message move forward only."""

from __future__ import annotations

import pytest

from otp_service.domain.messages import RANK, MessageStatus
from otp_service.domain.reasons import Reason, stored_reason


def test_every_status_has_a_rank() -> None:
    assert set(RANK) == set(MessageStatus)


def test_final_statuses() -> None:
    final = {status for status in MessageStatus if status.final}
    assert final == {"delivered", "undelivered", "expired", "rejected", "unknown", "canceled"}


def test_delivered_may_follow_everything_else_and_nothing_follows_it() -> None:
    assert set(MessageStatus.DELIVERED.predecessors) == set(MessageStatus) - {MessageStatus.DELIVERED}
    assert all(MessageStatus.DELIVERED not in status.predecessors for status in MessageStatus)


def test_an_answer_that_comes_late_does_not_undo_a_report() -> None:
    assert MessageStatus.DELIVERED not in MessageStatus.ACCEPTED.predecessors
    assert MessageStatus.UNDELIVERED not in MessageStatus.ACCEPTED.predecessors


@pytest.mark.parametrize(
    ("word", "read"), [("funds", Reason.FUNDS), ("", ""), ("of_a_later_version", Reason.UNKNOWN_ERROR)]
)
def test_a_reason_that_this_version_does_not_know_hides_no_message(word: str, read: str) -> None:
    assert stored_reason(word) == read
