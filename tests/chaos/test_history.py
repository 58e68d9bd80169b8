"""The judge is judged: each planted fault is seen by its rule, and an honest history is left in peace."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.history import STATUS_AFTER, Event, History


def check(at: float, key: str, outcome: str, *, right: bool = False, left: int = -1, lasts: float = 0.5) -> Event:
    return Event("check", "v", key, right, at, at + lasts, 200 if outcome else 503, outcome, left=left)


def status(at: float, told: str, left: int = -1) -> Event:
    return Event("status", "v", "", False, at, at + 0.1, 200, status=told, left=left)


HONEST = [
    check(1, "a", "wrong_code", left=4),
    check(2, "b", "", right=True),  # lost; it was approved
    status(3, "approved", 3),
    check(4, "b", "approved", right=True, left=3),
    check(5, "c", "already_approved", right=True, left=3),
    check(6, "b", "approved", right=True, left=3),
]
FAULTS = {
    "approved twice": [*HONEST, check(5.1, "d", "approved", right=True)],
    "a wrong code was approved": [check(1, "a", "approved")],
    "6 attempts were judged": [check(n, f"k{n}", "wrong_code") for n in range(6)],
    "a heard": [check(1, "a", "wrong_code"), check(2, "a", "exhausted")],
    "told pending after": [check(1, "a", "approved", right=True), status(2, "pending")],
    "told expired after": [check(1, "a", "approved", right=True), check(2, "b", "expired", right=True)],
    "told approved after": [check(1, "a", "exhausted"), check(2, "b", "approved", right=True)],
    "told 4 attempts left after 2": [
        check(1, "a", "wrong_code", left=4), check(2, "b", "wrong_code", left=3), status(3, "pending", 4),
    ],
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_planted_fault_is_seen(sentence: str) -> None:
    found = History(events=FAULTS[sentence]).violations()
    assert any(sentence in told for told in found), found


def test_an_honest_history_is_left_in_peace() -> None:
    assert History(events=HONEST).violations() == []


def test_at_the_same_time_both_orders_are_honest() -> None:
    slow = check(1, "a", "approved", right=True, lasts=5)
    assert History(events=[slow, check(2, "b", "exhausted"), check(2, "c", "wrong_code", left=4)]).violations() == []


class Honest:
    """The service as it should be, one request at a time."""

    def __init__(self, limit: int) -> None:
        self.left, self.status = limit, "pending"
        self.verdicts: dict[str, tuple[str, int]] = {}

    def check(self, key: str, right: bool) -> tuple[str, int]:
        if key not in self.verdicts:
            outcome = {"approved": "already_approved"}.get(self.status, self.status)
            if self.status == "pending":
                self.left -= 1
                outcome = "approved" if right else "wrong_code" if self.left else "exhausted"
                self.status = STATUS_AFTER.get(outcome, "pending")
            self.verdicts[key] = (outcome, self.left)
        return self.verdicts[key]


@given(seed=st.integers(0, 2**32))
def test_whatever_an_honest_service_answers_is_honest(seed: int) -> None:
    """Answers are lost, requests are repeated with their keys; once in a while the service forgets a write."""
    rng = random.Random(seed)
    service, history, keys = Honest(5), History(), [f"k{n}" for n in range(8)]
    forgetful = rng.random() < 0.5
    approvals = 0
    for at in range(20):
        key = rng.choice(keys)
        right = key in keys[:2]
        outcome, left = service.check(key, right)
        heard = rng.random() < 0.7
        history.events.append(check(at, key, outcome if heard else "", right=right, left=left if heard else -1))
        approvals += heard and outcome == "approved"
        if forgetful and outcome == "approved" and heard:
            service = Honest(5)  # a failover that lost everything
            history.events.append(check(at + 0.6, f"again-{at}", "approved", right=True, lasts=0.1))
    assert bool(history.violations()) == bool(forgetful and approvals)
