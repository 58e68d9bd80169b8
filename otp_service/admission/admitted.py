"""A send that may go out; what an operator is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from otp_service.admission.pumping import Send
from otp_service.delivery.allowance import Allowance
from otp_service.delivery.spending import Bill
from otp_service.domain.pumping import Decision
from otp_service.domain.reach import Unreached
from otp_service.domain.value import Value
from otp_service.domain.workflows import Way
from otp_service.settings import Application
from otp_service.storage.limits import Counted, Counter
from otp_service.storage.pumping import Row


class Taken(Value):
    """What was counted for one message."""

    counted: Sequence[Counted]
    decision: Decision | None = None


@dataclass(slots=True, kw_only=True)
class Admitted(Allowance):
    """A send that may go out, and what is to be put right when it is known what became of it.

    policy: the application's, as it is for this send. record: what the verification is to remember. counters: of its
    limits. first: what the guard thought of the first message of the verification. taken: one for each message that may
    leave.
    """

    send: Send
    policy: Application
    record: dict[str, str] = field(default_factory=dict)
    test: bool = False
    counters: Sequence[Counter] = ()
    way: Way
    locale: str = ""
    platform: str = ""
    first: Decision | None = None
    taken: list[Taken] = field(default_factory=list)
    bill: Bill | None = None
    unreached: Mapping[str, Unreached] = field(default_factory=dict)
    """Channels that did not reach the recipient lately, where the application offers another."""
    now: int = 0
    """When that was read, milliseconds of Redis time."""
    unguarded: bool = False
    """Nothing is thought of it: a delivery of which nobody hears whether its code was entered."""
    text: str = ""
    """The caller's own, '' for the application's."""


class Report(Value):
    """mode: of the guard. alarm: whether there are too many wrong codes. Money in roubles, of today."""

    mode: str
    rows: Sequence[Row]
    alarm: bool
    spent: str
    budget: str | None
