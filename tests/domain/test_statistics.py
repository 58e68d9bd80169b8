"""What events add to the statistics."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.statistics import (
    APPROVAL,
    BOUNDS,
    COUNTERS,
    LATER,
    LONGEST_WORD,
    NUMBERS,
    WHYS,
    Group,
    Histogram,
    addition,
)
from otp_service.statistics.reading import moment

AT = 1_790_000_000_000
START = {"created_at": str(AT), "at": str(AT), "channel": "sms", "country": "RU", "operator": "МТС"}


def price(gateway: str, country: str) -> int | None:
    return {("one", "RU"): 4_500_000}.get((gateway, country))


def named(kind: str, **told: str) -> dict[str, int]:
    found = addition(kind, START | {name.replace("message_", "message:"): value for name, value in told.items()}, price)
    names = dict(enumerate(COUNTERS)) | {NUMBERS - len(LATER) + n: name for n, name in enumerate(LATER)}
    return {} if found is None else {names[place]: n for place, n in found.counted.items() if place in names}


def of_message(status: str, counted: str = "", **more: str) -> dict[str, int]:
    told = {"gateway": "one", "channel": "sms", "status": status, "counted": counted} | more
    return named("message.updated", **{f"message_{name}": value for name, value in told.items()})


def test_a_message_counts_when_it_leaves_and_when_its_end_is_known() -> None:
    assert of_message("accepted", sent_at=str(AT), parts="2") == {
        "sends": 1, "parts": 2, "micro_roubles": 9_000_000, "sent_to": 1,
    }  # fmt: skip
    assert of_message("delivered", "accepted|1|2|", sent_at=str(AT), parts="2") == {"delivered": 1, "reached": 1}
    assert of_message("rejected") == {"why_rejected": 1}, "nobody took it"
    assert of_message("rejected", "unclear|||") == {
        "sends": -1, "parts": -1, "micro_roubles": -4_500_000, "sent_to": -1, "why_rejected": 1,
    }  # fmt: skip
    assert of_message("undelivered", "accepted|1|1|", sent_at=str(AT), parts="1") == {
        "failed": 1, "why_undelivered": 1,
    }  # fmt: skip
    assert of_message("delivered", "unknown|1|1|", sent_at=str(AT), parts="1") == {
        "unknown": -1, "delivered": 1, "reached": 1,
    }  # fmt: skip
    assert of_message("accepted", failover="1", sent_at=str(AT))["failovers"] == 1
    assert of_message("accepted", reason="withheld", sent_at=str(AT)) == {}


def test_money_is_what_the_gateway_tells_once_it_does() -> None:
    assert of_message("delivered", "accepted|1|1|", sent_at=str(AT), parts="2", price="4.00") == {
        "delivered": 1, "parts": 1, "micro_roubles": 2 * 4_000_000 - 4_500_000, "reached": 1,
    }  # fmt: skip
    for nonsense in ("free", "-1", "1e999", "NaN", "9" * 400, "99999", "0.05"):
        assert of_message("accepted", sent_at=str(AT), price=nonsense)["micro_roubles"] == 4_500_000


def test_what_an_older_version_told_is_put_right_by_the_next_event() -> None:
    """It wrote no `counted`: its events add nothing, and the first of ours adds all."""
    told = START | {"message:gateway": "one", "message:status": "accepted", "message:sent_at": str(AT)}
    assert addition("message.updated", told, price) is None
    assert of_message("delivered", sent_at=str(AT))["sends"] == 1


@given(st.lists(st.sampled_from(list(MessageStatus)), min_size=1, max_size=8))
def test_any_way_to_an_end_counts_as_the_end(way: list[MessageStatus]) -> None:
    summed: Counter[str] = Counter()
    before = ""
    for status in way:
        summed.update(of_message(status, before, parts="3"))
        before = f"{status}||3|"
    end = of_message(way[-1], parts="3")
    for counts in (summed, end):
        for why in WHYS:
            counts.pop(f"why_{why}", 0)
    assert {name: n for name, n in summed.items() if n} == end


def test_a_failure_has_one_reason_the_first_that_is_told() -> None:
    assert of_message("rejected", "queued|||", reason="funds") == {"why_funds": 1}
    assert of_message("unknown", "accepted|1|1|", sent_at=str(AT), reason="no_report")["why_no_report"] == 1
    assert of_message("undelivered", "unknown|1|1|", sent_at=str(AT), reason="stop_list") == {
        "unknown": -1,
        "failed": 1,
    }
    assert of_message("rejected", "queued|||", reason="of a later version") == {"why_unknown_error": 1}
    assert of_message("canceled", "queued|||") == {}, "nobody needed it"
    assert {reason.value for reason in Reason} - set(WHYS) == {"unreached", "withheld"}, "of which nothing was sent"


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(list(MessageStatus)), st.booleans()), max_size=12))
def test_a_verification_counts_once_however_many_messages_it_took(way: list[tuple[int, MessageStatus, bool]]) -> None:
    """Whatever becomes of them, in whatever order."""
    now: dict[int, tuple[MessageStatus, bool]] = {}
    summed: Counter[str] = Counter()
    for place, status, sent in way:
        before = now.get(place)
        others = ",".join(f"{status}{'|1' if sent else ''}" for n, (status, sent) in now.items() if n != place)
        counted = f"{before[0]}|{'1' if before[1] else ''}||" if before else ""
        summed.update(of_message(status, counted, sent_at=str(AT) if sent else "", others=others))
        now[place] = status, sent
    assert summed["sent_to"] == any(sent or status.may_have_left for status, sent in now.values())
    assert summed["reached"] == any(status is MessageStatus.DELIVERED for status, _ in now.values())


def test_ends_of_verifications() -> None:
    assert named("verification.created") == {"started": 1}
    for end in ("approved", "expired", "exhausted", "canceled"):
        assert named(f"verification.{end}") == {end: 1}
    assert named("verification.failed") == named("delivery.failed") == {"unsent": 1}
    assert named("delivery.converted", message_failover="1") == {"approved": 1, "failovers_won": 1}
    assert named("delivery.expired") == named("factor.enrolled") == named("verification.invented") == {}
    assert named("verification.created", test="1") == named("verification.approved", withheld="1") == {}


def test_the_time_to_the_approval_and_where_it_counts() -> None:
    found = addition(
        "verification.approved",
        START | {"at": str(AT + 7_000), "message:gateway": "one|x", "message:channel": "sms"},
        price,
    )
    assert found is not None
    assert (found.at, found.group) == (AT, Group("onex", "sms", "RU", "МТС"))
    assert found.counted[APPROVAL + BOUNDS.index(8)] == 1


@pytest.mark.parametrize("name", ["a|b=c", "x" * 500, "\x1b[31m", "\n"])
def test_operators_are_words_of_others(name: str) -> None:
    found = addition("verification.created", START | {"operator": name}, price)
    assert found is not None
    assert len(found.group.operator) <= LONGEST_WORD
    assert not set(found.group.operator) & set("|=\x1b\n")


@pytest.mark.parametrize("at", ["", "soon", "-1", "9" * 30])
def test_an_event_at_no_time_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match=r"time|int"):
        addition("verification.created", START | {"created_at": at}, price)


def test_moments_as_people_paste_them() -> None:
    night = datetime(2026, 11, 27, 21, tzinfo=UTC)
    for text in ("2026-11-28T00:00:00+03:00", "2026-11-28T00:00:00 03:00", " 2026-11-27T21:00Z", "2026-11-27 21:00"):
        assert moment("from", text) == night, text
    assert moment("from", "") is None


def test_percentiles() -> None:
    counts = [0] * (len(BOUNDS) + 1)
    assert Histogram(counts).percentile(0.5) is None
    counts[BOUNDS.index(4)], counts[BOUNDS.index(20)] = 50, 50
    assert Histogram(counts).percentile(0.5) == 4
    assert Histogram(counts).percentile(0.25) == 3.5
    assert Histogram(counts).percentile(0.95) == 19.5
    assert [Histogram(counts).within(seconds) for seconds in (3, 3.5, 4, 10, 20, 600)] == [0, 25, 50, 50, 100, 100]
    counts[-1] = 10_000
    assert Histogram(counts).percentile(0.95) == BOUNDS[-1]
    assert APPROVAL + len(counts) + len(LATER) == NUMBERS
