"""The arithmetic of the pumping guard, in tables."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from otp_service.domain import money
from otp_service.domain.pumping import (
    BLOCK_SIZE,
    REMEMBERED_PLACES,
    Decision,
    Finding,
    Reason,
    Tally,
    Word,
    distance,
    in_row,
    over_budget,
)


@pytest.mark.parametrize(
    ("unverified", "approved", "floor", "per_approval", "over"),
    [
        (12, 0, 12, 5, False),  # no approvals yet: the floor
        (13, 0, 12, 5, True),
        (22, 2, 12, 5, False),  # the budget follows approvals
        (23, 2, 12, 5, True),
        (60, 40, 12, 5, False),  # 40 % conversion
        (213, 40, 12, 5, True),  # 16 %
        (1, 0, 0, 0, True),  # nothing is allowed
        (0.5, 0, 0, 0, True),
        (12.9, 0.2, 12, 5, False),  # faded
    ],
)
def test_budgets(unverified: float, approved: float, floor: float, per_approval: float, over: bool) -> None:
    found = over_budget(Reason.NUMBER_BLOCK, Tally(unverified, approved), floor, per_approval)
    assert (found is not None) == over
    if found:
        assert found.budget == pytest.approx(floor + per_approval * approved, abs=0.05)


@pytest.mark.parametrize(("one", "other", "wanted"), [(0, 9999, 1), (5, 5, 0), (0, 5000, 5000), (9990, 10, 20)])
def test_distances_go_round_the_block(one: int, other: int, wanted: int) -> None:
    assert distance(one, other) == distance(other, one) == wanted


def paid(places: list[int], days: float = 1.0) -> tuple[int, int]:
    """How many sends the budgets of a block let through where nobody answers, by default: all, those in a row."""
    remembered: list[int] = []
    unverified = {False: 0.0, True: 0.0}
    floors = {False: 12, True: 4}
    sent = Counter[bool]()
    for place in places:
        others = [one for one in remembered if one != place]
        row = in_row(place, others)
        remembered = [*others, place][-REMEMBERED_PLACES:]
        fade = math.exp(-days / len(places) / 3)
        unverified = {which: count * fade for which, count in unverified.items()}
        if unverified[row] + 1 <= floors[row]:
            unverified[row] += 1
            sent[row] += 1
    return sent.total(), sent[True]


def test_a_row_uses_its_own_budget() -> None:
    assert paid(list(range(100, 300)), days=0.01) == (7, 4)
    assert paid(list(range(9_990, 9_999)) + list(range(20)), days=0.01) == (7, 4)  # over the end of the block


@pytest.mark.parametrize(
    "order",
    ["row", "each five times", "shuffled", "anywhere", "clusters", "the same eight", "every seventh"],
)
def test_a_day_costs_twenty_whatever_the_order(order: str) -> None:
    """2,000 starts in one block, evenly over a day, by somebody who never answers."""
    rng = random.Random(1)
    row = list(range(2_000))
    orders = {
        "row": row,
        "each five times": [place for place in row for _ in range(5)],
        "shuffled": rng.sample(row, len(row)),
        "anywhere": [rng.randrange(BLOCK_SIZE) for _ in row],
        "clusters": [(start + n) % BLOCK_SIZE for start in range(0, 75_000, 300) for n in range(8)],
        "the same eight": list(range(8)) * 250,
        "every seventh": [7 * n % BLOCK_SIZE for n in range(2_000)],
    }
    assert paid(orders[order])[0] <= 20


def test_one_number_again_and_again_is_no_row() -> None:
    assert paid([500] * 50)[1] == 0


def test_few_people_at_random_are_taken_for_a_row() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(100):
        places = [rng.randrange(BLOCK_SIZE) for _ in range(200)]
        found += sum(in_row(place, places[max(0, n - 64) : n]) for n, place in enumerate(places))
    assert 0.01 < found / 20_000 < 0.03


OVER = (Finding(Reason.CLIENT_IP, 31, 0.3, 21.5), Finding(Reason.ADJACENT_NUMBERS, 5, 0, 4))


@pytest.mark.parametrize(
    ("decision", "fields"),
    [
        (Decision(Word.ALLOWED, counted=True), {"guard": "allowed"}),
        (Decision(Word.ALLOWED, row=True, counted=True), {"guard": '["allowed",[],1]'}),
        (Decision(Word.PASSED, (Finding(Reason.ALLOW_LIST),)), {"guard": '["passed",[["allow_list",0,0,0]],0]'}),
        (
            Decision(Word.WOULD_REFUSE, OVER, row=True),
            {"guard": '["would_refuse",[["client_ip",31,0.3,21.5],["adjacent_numbers",5,0,4]],1]'},
        ),
        (
            Decision(Word.WOULD_REFUSE, (*OVER, Finding(Reason.STRANGERS, 50, 0, 40)), stranger=True, counted=True),
            {
                "guard": '["would_refuse",[["client_ip",31,0.3,21.5],["adjacent_numbers",5,0,4]],0]',
                "verdict": '{"word":"would_refuse","findings":[{"reason":"client_ip","unverified":31.0,"approved":0.3,'
                '"budget":21.5},{"reason":"adjacent_numbers","unverified":5.0,"approved":0.0,"budget":4.0},'
                '{"reason":"strangers","unverified":50.0,"approved":0.0,"budget":40.0}],"stranger":true,"counted":true}',
            },
        ),
    ],
)
def test_decisions_are_remembered(decision: Decision, fields: dict[str, str]) -> None:
    """As versions before can read them, and what these do not know beside that."""
    found = decision.encode()
    assert {name: text.replace(".0", "") for name, text in found.items()} == {
        name: text.replace(".0", "") for name, text in fields.items()
    }
    assert Decision.parse(found["guard"], found.get("verdict", "")) == decision
    assert Decision.parse(found["guard"])
    assert Decision.parse("") is None


@pytest.mark.parametrize(
    ("written", "inside", "told"),
    [("4.50", 4_500_000, "4.50"), ("0", 0, "0.00"), (12, 12_000_000, "12.00"), ("0.003001", 3001, "0.003001")],
)
def test_money(written: str | int, inside: int, told: str) -> None:
    assert money.micros(written) == inside
    assert money.roubles(inside) == told


@pytest.mark.parametrize("written", ["-1", "x", "", "NaN", "1e400", "0.0000001", "1000000001", "Infinity"])
def test_what_is_no_money(written: str) -> None:
    with pytest.raises(ValueError, match="sum of money"):
        money.micros(written)
