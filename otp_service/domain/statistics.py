"""What is counted of an application, hour by hour: the counters, and what each event adds to them.

All that belongs to a verification counts in the hour in which it began, whenever it becomes known: so what was
delivered and approved is a share of what was sent, and a status that changes later corrects the same row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from otp_service.domain import costs
from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.value import Value

COUNTERS = (
    "started",
    "sends",
    "parts",
    "micro_roubles",
    "delivered",
    "failed",
    "unknown",
    "approved",
    "expired",
    "exhausted",
    "canceled",
    "unsent",
    "refused_limit",
    "refused_guard",
    "refused_budget",
    "failovers",
    "failovers_won",
)
"""A row is stored as these numbers one after another, then the two histograms, then `LATER`."""
WHYS = (
    "undelivered",
    "expired",
    "rejected",
    "unknown",
    "invalid_number",
    "stop_list",
    "direction_closed",
    "credentials",
    "account_blocked",
    "funds",
    "gateway_exhausted",
    "sender",
    "content",
    "bad_request",
    "throttled",
    "unreachable",
    "timeout",
    "broken_answer",
    "not_sent",
    "unknown_error",
    "no_report",
)
"""Why a message was not taken or did not arrive: its reason, or its status where the gateway told none."""
LATER = ("sent_to", "reached", "chosen", "chosen_otherwise", *(f"why_{why}" for why in WHYS))
"""Verifications of which a message left, and of which one was delivered. Of a gateway: how often a route that learns
would ask it first, and how often of these another is first in the settings. New counters are appended to these."""
BOUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 45, 60, 90, 120, 180, 300, 600)
"""Upper bounds of the histograms' buckets, seconds; one more bucket is above the last."""
DELIVERY, APPROVAL = len(COUNTERS), len(COUNTERS) + len(BOUNDS) + 1
"""Where the histograms begin in a row."""
NUMBERS = APPROVAL + len(BOUNDS) + 1 + len(LATER)
"""In a whole row."""
DIMENSIONS = ("gateway", "channel", "country", "operator")
TOLD = (
    "at", "created_at", "channel", "country", "operator", "test", "withheld",
    *(f"message:{name}" for name in ("gateway", "channel", "status", "sent_at", "parts", "price", "reason", "ended_at",
                                     "failover", "counted", "others")),
)  # fmt: skip
"""Fields of an event that are looked at."""
OTHER = "other"
"""Stands for countries and operators of a period that has too many of them."""
LONGEST_WORD = 40
_AT = {name: index for index, name in enumerate(COUNTERS)}
_AT |= {name: NUMBERS - len(LATER) + index for index, name in enumerate(LATER)}
_ENDS = {f"verification.{name}": name for name in ("approved", "expired", "exhausted", "canceled")} | {
    "verification.failed": "unsent",
    "delivery.failed": "unsent",
    "delivery.converted": "approved",
}
_FAILED = frozenset({MessageStatus.UNDELIVERED, MessageStatus.EXPIRED, MessageStatus.REJECTED, MessageStatus.CANCELED})
_HAS_WHY = frozenset(WHYS[:4])

_YEAR_2300 = 10_413_792_000_000

Price = Callable[[str, str], int | None]
"""Micro-roubles of one part, by gateway and country; None where nobody said."""
Owes = Callable[[str, MessageStatus], bool]
"""Whether a message of this gateway that left costs anything, by its status."""


class Group(Value):
    """What a row is of; '' where it is not known, or concerns no gateway."""

    gateway: str = ""
    channel: str = ""
    country: str = ""
    operator: str = ""


class Addition(Value):
    """at: when the verification began, milliseconds. counted: index in the row → what is added, negative too."""

    at: int
    group: Group
    counted: Mapping[int, int]


class Histogram(Value):
    """How many took up to each bound of `BOUNDS`, and longer than the last."""

    counts: Sequence[int]

    def within(self, seconds: float) -> int:
        """How many took up to so long: exact at a bound, between two of them as if they were spread evenly."""
        done, lower = 0.0, 0.0
        for upper, count in zip(BOUNDS, self.counts, strict=False):
            if seconds < upper:
                return round(done + count * max(0.0, seconds - lower) / (upper - lower))
            done, lower = done + count, upper
        return round(done)

    def percentile(self, share: float) -> float | None:
        """Seconds within which this share was done, 0 < share <= 1; None where nothing was. At most the last bound."""
        left = share * sum(self.counts)
        if not left:
            return None
        for lower, upper, count in zip((0, *BOUNDS), BOUNDS, self.counts, strict=False):
            if left <= count:
                return round(lower + (upper - lower) * left / count, 2)
            left -= count
        return float(BOUNDS[-1])


class Row(Value):
    """What was counted in one period of one group. Money in micro-roubles."""

    at: datetime
    group: Group
    numbers: Sequence[int]

    def __getitem__(self, name: str) -> int:
        """By its name in COUNTERS or LATER."""
        return self.numbers[_AT[name]]

    @property
    def refused(self) -> int:
        return self["refused_limit"] + self["refused_guard"] + self["refused_budget"]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many messages were not taken or did not arrive, by WHYS."""
        return {why: number for why in WHYS if (number := self[f"why_{why}"])}

    @property
    def to_delivery(self) -> Histogram:
        """From the gateway's taking it to what the gateway says is the delivery."""
        return Histogram(self.numbers[DELIVERY:APPROVAL])

    @property
    def to_approval(self) -> Histogram:
        """From the start to the right code."""
        return Histogram(self.numbers[APPROVAL : APPROVAL + len(BOUNDS) + 1])


def summed(rows: Sequence[Row]) -> Row:
    """All of them as one row, of no period and group."""
    numbers = [sum(row.numbers[index] for row in rows) for index in range(NUMBERS)]
    return Row(datetime.fromtimestamp(0, UTC), Group(), numbers)


def refusal(at: int, kind: str, channel: str, country: str, times: int) -> Addition:
    """kind: limit, guard or budget."""
    return Addition(at, Group("", channel, country), {_AT[f"refused_{kind}"]: times})


def always(gateway: str, status: MessageStatus) -> bool:
    return True


def choice_made(at: int, group: Group, times: int, *, differs: bool) -> Addition:
    """A gateway that learning would ask first. differs: it is not the first of the settings."""
    words = (group.gateway, group.channel, group.country, group.operator)
    group = Group(*(_word(word[:LONGEST_WORD]) for word in words))
    return Addition(at, group, {_AT["chosen"]: times, _AT["chosen_otherwise"]: times * differs})


def addition(kind: str, told: Mapping[str, str], price: Price, owes: Owes = always) -> Addition | None:
    """What an event adds, by its type and its stored fields; None for one that adds nothing. Raises LookupError and
    ValueError for what no version of ours wrote.

    Nothing is counted of test numbers, and of what is withheld from a phone.
    """
    if told.get("test") or told.get("withheld"):
        return None
    counted: dict[int, int] = {}
    group = _group(told, "message:gateway", told.get("message:channel") or told.get("channel", ""))
    if kind in ("verification.created", "delivery.created"):
        group = _group(told, "", told.get("channel", ""))
        counted[_AT["started"]] = 1
    elif kind in _ENDS:
        counted[_AT[_ENDS[kind]]] = 1
        if _ENDS[kind] == "approved":
            counted[_bucket(APPROVAL, int(told["at"]) - int(told["created_at"]))] = 1
            if told.get("message:failover"):
                counted[_AT["failovers_won"]] = 1
    elif kind == "message.updated" and "message:counted" in told:
        counted = _of_message(told, group, price, owes)
    else:
        return None
    at = int(told["created_at"])
    if not 0 <= at < _YEAR_2300:
        raise ValueError("no time")
    return Addition(at, group, counted) if counted else None


def hour_of(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).replace(minute=0, second=0, microsecond=0)


def _group(told: Mapping[str, str], gateway: str, channel: str) -> Group:
    words = (told.get(gateway, ""), channel, told.get("country", ""), told.get("operator", "").strip())
    return Group(*(_word(word[:LONGEST_WORD]) for word in words))


@lru_cache(1024)
def _word(text: str) -> str:
    """Operators are named by providers: no more of it than a name needs, and nothing that a row's name is made of."""
    return "".join(sign for sign in text if sign.isprintable() and sign not in "|=")


def _of_message(told: Mapping[str, str], group: Group, price: Price, owes: Owes) -> dict[int, int]:
    """The difference between what the message is like now and what it was like at its event before, so that each is
    counted once however often it changes; and one whose last event nobody counted is put right by the next."""
    if told.get("message:reason") == Reason.WITHHELD:
        return {}
    fields = ("status", "sent_at", "parts", "price")
    status, sent, parts, part_price = (told.get(f"message:{name}", "") for name in fields)
    is_failover = bool(told.get("message:failover"))
    now = _counts(status, bool(sent), parts, part_price, group, price, owes, is_failover=is_failover)
    before = dict.fromkeys(now, 0)
    status_before = ""
    if snapshot := told["message:counted"]:
        status_before, sent_before, parts, part_price = (snapshot.split("|", 3) + [""] * 3)[:4]
        before = _counts(
            status_before, bool(sent_before), parts, part_price, group, price, owes, is_failover=is_failover
        )
    counted = {_AT[name]: now[name] - before[name] for name in now if now[name] != before[name]}
    others = [each.partition("|") for each in told.get("message:others", "").split(",") if each]
    counted |= _of_verification(now, before, [(MessageStatus(each), bool(sent)) for each, _, sent in others])
    if status in _HAS_WHY and status_before not in _HAS_WHY:  # a failure has one reason, the first that is told
        counted[_why(told.get("message:reason") or status)] = 1
    if now["delivered"] > before["delivered"] and sent:
        ended = told.get("message:ended_at") or told["at"]
        counted[_bucket(DELIVERY, int(ended) - int(sent))] = 1
    return counted


def _why(word: str) -> int:
    """The counter; a reason of a later version is no document's."""
    return _AT.get(f"why_{word}", _AT["why_unknown_error"])


def _of_verification(
    now: Mapping[str, int], before: Mapping[str, int], others: Sequence[tuple[MessageStatus, bool]]
) -> dict[int, int]:
    """What a change of a message means for its verification: nothing, where another message has done the same for it.

    others: its other messages as they are now, and whether each was sent.
    """
    counted = {}
    if not any(sent or status.may_have_left for status, sent in others):
        counted[_AT["sent_to"]] = now["sends"] - before["sends"]
    if not any(status is MessageStatus.DELIVERED for status, _ in others):
        counted[_AT["reached"]] = now["delivered"] - before["delivered"]
    return {index: number for index, number in counted.items() if number}


def _counts(
    status: str,
    sent: bool,
    parts: str,
    told_price: str,
    group: Group,
    price: Price,
    owes: Owes,
    *,
    is_failover: bool,
) -> dict[str, int]:
    """What one message of this status counts as."""
    found = MessageStatus(status)
    left = sent or found.may_have_left
    several = max(1, int(parts or 0))
    return {
        "sends": int(left),
        "parts": several if left else 0,
        "micro_roubles": costs.of_message(
            told_price,
            price(group.gateway, group.country),
            several,
            owed=left and owes(group.gateway, found),
        ),
        "delivered": int(found is MessageStatus.DELIVERED),
        "failed": int(left and found in _FAILED),
        "unknown": int(found is MessageStatus.UNKNOWN),
        "failovers": int(left and is_failover),
    }


def _bucket(histogram: int, milliseconds: int) -> int:
    return histogram + bisect_left(BOUNDS, milliseconds / 1000)
