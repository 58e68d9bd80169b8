"""What a walk may send: each message that may leave is counted in limits and guard, and its money set aside, before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from otp_service.domain.messages import Message


@dataclass(slots=True, kw_only=True)
class Allowance:
    """Made by admission for one message. A gateway that plainly did not take it leaves it to the next one.

    granted: one message is allowed from the start; else there is only what a process that died had been allowed.
    another: asks for one message more. Raises Refused. wait: asks that the person may send the code where nothing left.
    Raises Refused. withheld: it is refused and the caller is not told, so no
    gateway is called (delivery/decoys.py). earlier: messages of the verification before this walk.
    messages: those of this walk; None while it is under way, if it dies, and where the person sends. Then nothing is
    given back.
    """

    another: Callable[[], Awaitable[None]]
    wait: Callable[[], Awaitable[None]]
    granted: bool = False
    withheld: bool = False
    earlier: int = 0
    messages: Sequence[Message] | None = ()
