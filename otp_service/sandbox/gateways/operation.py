"""What an operation of a gateway is: a path, and a function from a request to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from otp_service.sandbox.faults import Fault
from otp_service.sandbox.state import Sandbox


@dataclass(frozen=True, slots=True)
class Call:
    """One request. parameters: query and form fields together. fault: one that the operation itself carries out.
    authorization: the header of that name.
    """

    body: bytes
    parameters: Mapping[str, str]
    fault: Fault | None = None
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """outcome: for `/_sim/requests`, in the vendor's words."""

    body: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Operation:
    """name: as in `/_sim/faults` and `/_sim/requests`. say_error: how this gateway writes an error text.

    media_type: without the charset, which is always utf-8.
    """

    name: str
    path: str
    media_type: str
    run: Callable[[Sandbox, Call], Answer]
    say_error: Callable[[str], str]
