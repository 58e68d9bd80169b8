"""A send that may go out; what an operator is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from otp_service.admission.guard import Send
from otp_service.delivery.dispatch import Walk
from otp_service.delivery.spending import Bill
from otp_service.domain.messages import Message
from otp_service.domain.pumping import Decision
from otp_service.domain.value import Value
from otp_service.settings import Application
from otp_service.storage.limits import Counter
from otp_service.storage.tallies import Row


@dataclass(slots=True)
class Admitted:
    """A send that may go out, and what is to be put right when it is known what became of it.

    policy: the application's, as it is for this send. record: what the verification is to remember.
    """

    send: Send
    policy: Application
    record: dict[str, str] = field(default_factory=dict)
    test: bool = False
    counted: Sequence[Counter] = ()
    decision: Decision | None = None
    bill: Bill | None = None
    earlier: int = 0
    """Messages of the verification before this send."""
    messages: Sequence[Message] = ()

    def paid(self, walk: Walk) -> Walk:
        """Note what the walk cost."""
        self.messages = walk.stored.found.messages[self.earlier :]
        return walk


class Report(Value):
    """mode: of the guard. alarm: whether there are too many wrong codes. Money in roubles, of today."""

    mode: str
    rows: Sequence[Row]
    alarm: bool
    spent: str
    budget: str | None
