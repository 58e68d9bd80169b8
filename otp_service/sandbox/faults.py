"""Faults: what is to go wrong with the next requests to a gateway. `fault_layer.py` carries them out."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from msgspec import Meta, Struct

FaultName = Literal[
    "stall",
    "latency",
    "reset",
    "processed_then_reset",
    "processed_then_stall",
    "cut",
    "drip",
    "status",
    "html",
    "empty",
    "empty_response",
    "garbage",
    "bom",
    "windows1251",
    "extra_attributes",
    "blank_lines",
    "trailing_junk",
    "media_type",
    "shuffled",
    "numbers",
    "error",
    "success_status",
    "code_length",
    "message_error",
]

CONTENT_FAULTS: dict[FaultName, tuple[str, ...]] = {
    "success_status": ("password",),
    "code_length": ("password",),
    "message_error": ("xml", "get", "json"),
}
"""Faults that operations themselves carry out, and which: they change what is done, not how it is answered."""


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of `POST /_sim/faults`. seconds are real seconds, whatever the sandbox's clock says."""

    fault: FaultName
    gateway: str = "*"
    """The name of an operation (`gateways/__init__.py`), or * for all."""
    times: Annotated[int, Meta(ge=1)] | None = 1
    """For so many requests; null: until the faults are deleted."""
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seconds: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    status: Annotated[int, Meta(ge=300, le=599)] = 503
    error: str = ""
    """error, message_error: the text (K: `-3|Sent Error`). success_status: the status word of P."""
    processed: bool = False
    """For status, html, empty, empty_response, garbage: whether the operation is carried out before."""

    def concerns(self, operation: str) -> bool:
        return self.gateway in ("*", operation) and operation in CONTENT_FAULTS.get(self.fault, (operation,))


class FaultPlan:
    """The faults still to come, in the order they were asked for; the first that concerns a request is taken."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        self._left.append((fault, fault.times))

    def clear(self) -> None:
        self._left.clear()

    def heal(self, gateway: str) -> None:
        """Forget those that were asked for of this one: the name of an operation, or *."""
        self._left = [(fault, left) for fault, left in self._left if fault.gateway != gateway]

    def list(self) -> list[tuple[Fault, int | None]]:
        """Each fault with how many requests it is still for."""
        return list(self._left)

    def take(self, operation: str) -> Fault | None:
        for index, (fault, left) in enumerate(self._left):
            if fault.concerns(operation) and self._rng.random() < fault.probability:
                if left == 1:
                    del self._left[index]
                elif left is not None:
                    self._left[index] = (fault, left - 1)
                return fault
        return None
