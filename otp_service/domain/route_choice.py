"""The order of gateways that a route which learns has chosen for one verification, as its record keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from otp_service.domain.value import Value


class RouteOrder(StrEnum):
    """Whether a choice was followed."""

    LEARNED = "learned"
    SHADOW = "shadow"
    """Only noted: the gateways were asked in the order of the settings."""


class RouteReason(StrEnum):
    """Why a gateway is asked first."""

    LEARNED = "learned"
    """From what its messages brought."""
    EXPLORE = "explore"
    """Everyone is asked now and then."""
    ONLY = "only"
    """The others cost too much more."""


class Choice(Value):
    """gateways: in the order in which they are asked, or would be; of a record the first alone. before: who is first in
    the settings."""

    order: RouteOrder
    gateways: Sequence[str]
    before: str
    reason: RouteReason

    @property
    def first(self) -> str:
        return self.gateways[0]

    @property
    def differs(self) -> bool:
        return self.first != self.before

    def encode(self) -> str:
        """Short: a hash of which a field is longer than 64 bytes takes Redis three times the memory."""
        return ";".join((self.order, self.reason, self.first, self.before if self.differs else ""))

    @classmethod
    def parse(cls, text: str) -> Choice | None:
        """None for none, and for what no version of ours wrote."""
        order, reason, first, before = (text.split(";") + [""] * 4)[:4]
        if not first or order not in _ORDERS or reason not in _REASONS:
            return None
        return cls(RouteOrder(order), [first], before or first, RouteReason(reason))


_ORDERS, _REASONS = frozenset(map(str, RouteOrder)), frozenset(map(str, RouteReason))
