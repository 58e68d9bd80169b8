"""Routes that learn: what ended verifications tell, and in which order gateways are asked because of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.number_plan import given_to, group_of, operator_of
from otp_service.domain.phone import Number
from otp_service.domain.pumping import Decision, Word
from otp_service.domain.route_choice import Choice, RouteOrder, RouteReason
from otp_service.domain.routes import (
    FLOOR,
    HALF_LIFE_MS,
    KEPT,
    OF_ALL,
    Cell,
    Known,
    Offer,
    belief,
    carrier,
    choose,
    faded,
    told,
)
from otp_service.domain.verifications import Status
from tests.domain.test_advice import verification

ABC = [Offer("a", 100), Offer("b", 100), Offer("c", 300)]
NOW = 1_000_000_000


def message(number: int, gateway: str, sent: int, status: str = "accepted", ended: int = 0) -> Message:
    return Message(
        number, gateway, "sms", CodeSource.LOCAL, MessageStatus(status), ended or sent, sent_at=sent, ended_at=ended
    )


def ended(*messages: Message, at: int = 70_000, **changes: Any) -> Any:
    return verification(*messages, **{"status": Status.APPROVED, "ended_at": at, **changes})


PROVED = Decision(Word.PASSED, verified=True)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ended(message(1, "a", 1000, "delivered", 6000)), [("a", True)]),
        (ended(message(1, "a", 1000, "delivered", 41_000)), [("a", False)]),  # nobody waits 40 s
        (ended(message(1, "a", 1000), at=20_000), [("a", True)]),  # whose gateway tells nothing
        (ended(message(1, "a", 1000), at=70_000), [("a", False)]),
        # A second one was sent, and the code came by it.
        (ended(message(1, "a", 1000), message(2, "b", 10_000, "delivered", 15_000)), [("a", False), ("b", True)]),
        # It says that it delivered, and yet the person asked for another.
        (ended(message(1, "a", 1000, "delivered", 3000), message(2, "b", 40_000, "delivered", 45_000)),
         [("a", False), ("b", True)]),
        # The second was on its way when the code of the first was entered.
        (ended(message(1, "a", 1000, "delivered", 20_000), message(2, "b", 12_000), at=24_000), [("a", True)]),
        (ended(message(1, "a", 1000, "delivered", 90_000), at=24_000), [("a", True)]),  # told after the approval
        (ended(at=5), []),
        (ended(message(1, "a", 1000, "undelivered", 9000), status=Status.EXPIRED), []),  # of a stranger: nothing
        (ended(message(1, "a", 1000, "delivered", 9000), status=Status.EXPIRED, guard=PROVED), [("a", False)]),
        (ended(message(1, "a", 1000), status=Status.EXPIRED, guard=PROVED, unreached=("sms",)), []),
        (ended(message(1, "a", 1000), status=Status.EXHAUSTED, guard=PROVED), []),
        (ended(message(1, "a", 1000), status=Status.CANCELED), []),
        (ended(message(1, "a", 1000), withheld=True), []),
        (ended(message(1, "a", 1000), assurance="claimed"), []),  # the person's own SMS, not ours
    ],
)  # fmt: skip
def test_what_the_end_of_a_verification_tells(found: Any, said: Sequence[tuple[str, bool]]) -> None:
    assert told(found) == said


def test_an_approval_is_owed_to_what_was_delivered_last() -> None:
    messages = [message(1, "a", 1, "delivered", 9), message(2, "b", 2, "delivered", 5), message(3, "c", 3)]
    owed = carrier(ended(*messages))
    assert owed
    assert owed.gateway == "a"
    late = carrier(ended(message(1, "a", 1000), message(2, "b", 2000), message(3, "c", 0), at=9000))
    assert late
    assert late.gateway == "b"  # the third was never sent
    assert carrier(ended(message(1, "a", 0))) is None


def test_what_was_counted_fades() -> None:
    cell = Cell(8, 4, NOW, 100)
    assert faded(cell, NOW + HALF_LIFE_MS, 100) == Cell(4, 2, NOW + HALF_LIFE_MS, 100)
    assert faded(cell, NOW, 200).good == pytest.approx(8 * KEPT**100)  # others of the group were asked meanwhile
    assert faded(cell, NOW, 10**12).good < 1e-9
    assert faded(cell, NOW - 10**9, 3).good == 8  # the clock went back, a count was lost
    for poisoned in (Cell(math.nan, 1, NOW), Cell(1, math.inf, NOW), Cell(-1, 1)):
        assert faded(poisoned, NOW, 0) == Cell()


def test_a_new_group_is_believed_to_be_as_all_are() -> None:
    good, bad = belief(Known({("a", OF_ALL): Cell(90, 10, NOW)}), "a", "МТС", NOW)
    assert 0.85 < good / (good + bad) < 0.92
    assert good + bad == pytest.approx(6)


def firsts(cells: Any, offers: Sequence[Offer] = ABC, extra: int = 1000, times: int = 4000) -> Counter[str]:
    rng = Random(7)
    return Counter(choose(RouteOrder.LEARNED, offers, Known(cells), "МТС", NOW, extra, rng).first for _ in range(times))


def test_who_brings_codes_is_asked_first_and_nobody_is_forgotten() -> None:
    found = firsts({("a", "МТС"): Cell(5, 40, NOW), ("b", "МТС"): Cell(48, 1, NOW), ("c", "МТС"): Cell(20, 20, NOW)})
    assert found["b"] > 0.9 * 4000
    for name in "ac":
        assert found[name] > 0.6 * FLOOR / 3 * 4000


def test_it_costs_no_more_than_is_allowed() -> None:
    cells = {("a", "МТС"): Cell(1, 40, NOW), ("c", "МТС"): Cell(48, 1, NOW)}
    assert firsts(cells, extra=199)["c"] == 0
    assert firsts(cells, extra=200)["c"] > 0
    assert choose(RouteOrder.SHADOW, ABC[::2], Known(cells), "МТС", NOW, 0, Random(1)) == Choice(
        RouteOrder.SHADOW, ["a", "c"], "a", RouteReason.ONLY
    )
    unknown = [Offer("a", 100), Offer("c", None)]
    assert firsts(cells, offers=unknown, extra=0)["c"] > 0  # nobody said what it costs
    assert firsts({}, offers=ABC[:1]) == {"a": 4000}


def test_poisoned_counts_are_no_counts() -> None:
    for cell in (Cell(math.nan, math.nan, NOW), Cell(math.inf, 0, NOW), Cell(-5, -5, NOW), Cell(0, 0, 10**18)):
        found = firsts({("a", "МТС"): cell, ("a", OF_ALL): cell}, times=300)
        assert set(found) == {"a", "b", "c"}


@pytest.mark.parametrize("text", ["", "x", "learned;learned;;a", "other;learned;a;a", "learned;why;a;a", ";;;;", "a;b"])
def test_a_record_of_no_version_is_no_choice(text: str) -> None:
    assert Choice.parse(text) is None


def test_a_choice_is_kept_as_it_was() -> None:
    choice = Choice(RouteOrder.LEARNED, ["b"], "a", RouteReason.EXPLORE)
    assert Choice.parse(choice.encode()) == choice
    assert Choice.parse(Choice(RouteOrder.SHADOW, ["a", "b"], "a", RouteReason.LEARNED).encode()).first == "a"
    assert choice.differs


def test_one_that_healed_is_asked_again() -> None:
    """Others were asked meanwhile, so what is known of it has faded."""
    bad = {("a", "МТС"): Cell(0, 40, NOW, 100), ("b", "МТС"): Cell(30, 10, NOW, 300)}
    rng = Random(3)
    found = [
        choose(RouteOrder.LEARNED, ABC[:2], Known(bad, {"МТС": messages}), "МТС", NOW, 0, rng).first
        for messages in (100, 300)
        for _ in range(1000)
    ]
    assert found[:1000].count("a") < 60 < found[1000:].count("a")


def test_whose_number_it_is() -> None:
    assert given_to("+79161234567") == operator_of("+79161234567", Number()) == "МТС"
    assert given_to("+74951234567") == given_to("+7916") == given_to("+49151") == ""
    assert group_of("+79161234567", Number("Мегафон", "")) == "Мегафон"  # ported
    assert group_of("+79161234567", Number("a|b=c\n" * 30, "")) == ("abc" * 30)[:40]
    assert group_of("+77012345678", Number()) == "KZ"
    assert group_of("anna@example.org", Number()) == group_of("", Number()) == "?"
