"""What tells that a person cannot be reached by a channel, and how long that is remembered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otp_service.domain.failover import Asked
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.reach import ASKED_FOR_MS, HOLDS_MS, Unreached, in_vain, passed_over, tells

GOOD: Sequence[int | None] = [5000, None, 4000, 6000]
BAD: Sequence[int | None] = [None, None, 4000, None]
LONG_GOOD_BEFORE: Sequence[int | None] = [None] * 20 + [5000] * 80


def message(status: str, channel: str = "sms", *, sent_at: int = 1, gateway: str = "one", ended_at: int = 0) -> Message:
    return Message(1, gateway, channel, CodeSource.LOCAL, MessageStatus(status), 1, sent_at=sent_at, ended_at=ended_at)


@pytest.mark.parametrize(
    ("one", "how", "ends", "said"),
    [
        (message("undelivered"), Asked.ANSWERED, GOOD, True),
        (message("expired"), Asked.SILENT, GOOD, True),  # it said so before
        (message("accepted"), Asked.ANSWERED, GOOD, True),
        (message("accepted"), Asked.SILENT, GOOD, False),
        (message("accepted"), Asked.BUSY, GOOD, False),
        (message("accepted", "telegram"), Asked.ANSWERED, GOOD, False),  # nobody has looked yet
        (message("undelivered", "viber"), Asked.ANSWERED, GOOD, True),
        (message("undelivered", "email"), Asked.ANSWERED, GOOD, False),
        (message("rejected", sent_at=0), Asked.ANSWERED, GOOD, False),  # of the gateway, not of the person
        (message("canceled"), Asked.ANSWERED, GOOD, False),
        (message("unclear", sent_at=0), Asked.ANSWERED, GOOD, False),
        (message("undelivered"), Asked.ANSWERED, BAD, False),
        (message("undelivered"), Asked.ANSWERED, LONG_GOOD_BEFORE, False),
        (message("undelivered"), Asked.ANSWERED, [], False),
        (message("undelivered"), Asked.ANSWERED, [5000, 5000], False),
    ],
)
def test_what_tells_of_the_person(one: Message, how: Asked, ends: Sequence[int | None], said: bool) -> None:
    assert tells(one, how, ends) is said


def test_how_long_a_channel_is_passed_over() -> None:
    seen = 1_000_000
    known = {"sms": Unreached(1, seen, seen + HOLDS_MS[0])}
    assert passed_over(known, seen + HOLDS_MS[0] - 1) == ["sms"]
    assert passed_over(known, seen + HOLDS_MS[0]) == []
    # Who names the channel is refused for minutes, not for days.
    assert passed_over(known, seen + ASKED_FOR_MS - 1, asked_for="sms") == ["sms"]
    assert passed_over(known, seen + ASKED_FOR_MS, asked_for="sms") == []
    assert passed_over(known, seen + ASKED_FOR_MS, asked_for="viber") == ["sms"]
    assert passed_over({}, seen) == []
    assert passed_over(known, 0) == ["sms"]  # a clock that went back holds no longer than it was to


def test_how_many_messages_are_in_vain_before_that_is_the_person_s() -> None:
    sent = [message("undelivered"), message("accepted"), message("accepted", gateway="two")]
    unsent = message("queued", sent_at=0)
    assert not in_vain([unsent], "sms", 3, other_way=True)
    assert in_vain(sent[:1], "sms", 3, other_way=True)
    assert not in_vain(sent, "viber", 3, other_way=True)
    assert not in_vain([*sent, unsent], "sms", 3, other_way=False), "each of the route, and one more"
    assert in_vain([*sent, sent[0]], "sms", 3, other_way=False)
    assert in_vain([*sent, sent[0]], "sms", 9, other_way=False), "four at most"
    assert in_vain(sent[:2], "sms", 1, other_way=False)
