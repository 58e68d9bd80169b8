"""`/_sim`, what others do to an account: a subscriber writes an SMS (X8), an operator approves a sender name (X23)."""

from __future__ import annotations

from datetime import datetime

from litestar import post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import JSONBody
from msgspec import Struct

from otp_service.sandbox.cabinet import Cabinet, Incoming, RegistryStatus
from otp_service.sandbox.state import Sandbox


class NewIncoming(Struct, forbid_unknown_fields=True):
    """originator: who writes. phone: the number written to. prefix: by which it was found to be for this account."""

    originator: str
    text: str
    phone: str = "3443"  # X8, the sample
    prefix: str = ""
    login: str = "demo"


class IncomingView(Struct):
    id: str
    received_at: datetime


class Decision(Struct, forbid_unknown_fields=True):
    originator: str
    operator: str
    status: RegistryStatus
    login: str = "demo"


@post("/incoming", sync_to_thread=False)
def receive_incoming(sandbox: NamedDependency[Sandbox], data: JSONBody[NewIncoming]) -> IncomingView:
    received = Incoming(
        id=sandbox.new_id(),
        received_at=sandbox.clock.now(),
        originator=data.originator,
        prefix=data.prefix,
        phone=data.phone,
        text=data.text,
    )
    _cabinet(sandbox, data.login).incoming.append(received)
    return IncomingView(received.id, received.received_at)


@post("/registry", status_code=200, sync_to_thread=False)
def decide_registry(sandbox: NamedDependency[Sandbox], data: JSONBody[Decision]) -> Decision:
    """Any status may follow any other; X24 posts a name, this moves it on."""
    entry = _cabinet(sandbox, data.login).registry.get((data.operator, data.originator))
    if entry is None:
        raise NotFoundException(f"{data.originator!r} is not in the registry of {data.operator!r}.")
    entry.status = data.status
    return data


def _cabinet(sandbox: Sandbox, login: str) -> Cabinet:
    """Only TargetSMS has one."""
    cabinet = sandbox.cabinets.get(("targetsms", login))
    if cabinet is None:
        raise NotFoundException(f"There is no targetsms account {login!r}.")
    return cabinet
