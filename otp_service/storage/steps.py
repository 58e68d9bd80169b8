"""What is asked of scripts in one go, and how several sets of keys of one script become one call (docs/adr/0022).

A call costs a server some ten times what the work of a small script does, so those of the same script that one request
asks for go together where one server has all keys. Each is still done by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import InvalidResponse

from otp_service.domain.value import Value
from otp_service.storage.script import Script

MOST_STEPS, MOST_ARGUMENTS = 16, 600
"""Bounds of one call: Redis serves nobody else until it is done."""

Argument = str | bytes | int


class Step(Value):
    """One script with its keys, which have one hash tag, and its arguments."""

    script: Script[Any]
    keys: Sequence[str]
    args: Sequence[Argument]


class Batch(Value):
    """Steps of one script as one of them. numbers: their places among all."""

    step: Step
    numbers: Sequence[int]

    def spread(self, reply: Any) -> Sequence[Any]:
        """The reply to each; a fault of the call is that of all its steps."""
        if len(self.numbers) == 1:
            return [reply]
        if not isinstance(reply, Exception) and (not isinstance(reply, list) or len(reply) != len(self.numbers)):
            reply = InvalidResponse(f"{type(reply).__name__} from {self.step.script.name}")
        return reply if isinstance(reply, list) else [reply] * len(self.numbers)


def batched(steps: Sequence[Step]) -> Iterator[Batch]:
    """In the order of their first steps; those of one script stay in theirs."""
    open_ones: dict[str, list[int]] = {}
    arguments: dict[str, int] = {}
    for number, step in enumerate(steps):
        name, size = step.script.sha, len(step.args)
        together = open_ones.setdefault(name, [])
        if together and (len(together) == MOST_STEPS or arguments[name] + size > MOST_ARGUMENTS):
            yield _together(steps, together)
            together = open_ones[name] = []
            arguments[name] = 0
        together.append(number)
        arguments[name] = arguments.get(name, 0) + size
    for numbers in open_ones.values():
        yield _together(steps, numbers)


def _together(steps: Sequence[Step], numbers: Sequence[int]) -> Batch:
    first = steps[numbers[0]]
    if len(numbers) == 1 or first.script.repeated is None:
        return Batch(first, numbers)
    sizes: list[int] = []
    keys: list[str] = []
    args: list[Argument] = []
    for number in numbers:
        own = steps[number]
        sizes += (len(own.keys), len(own.args))
        keys += own.keys
        args += own.args
    return Batch(Step(first.script.repeated, keys, [len(numbers), *sizes, *args]), numbers)
