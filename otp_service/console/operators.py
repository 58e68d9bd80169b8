"""`/console/operators`: accounts of the console. Links to set a password are shown once, to be handed over."""

from __future__ import annotations

from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.operators import Role
from otp_service.errors import Refused
from otp_service.operators.accounts import ENROL

NOT_WITH_ONESELF = ("role", "reset", "remove")
"""Actions that one cannot do to one's own account, so that an admin remains."""


@page("/console/operators", Role.ADMIN)
async def operators(visit: Visit) -> Answer:
    return await _list(visit)


@change("/console/operators", Role.ADMIN)
async def add(visit: Visit) -> Answer:
    name = visit.value("name")
    return await _list(visit, name, await visit.console.accounts.add(name, _role(visit), visit.actor))


@change("/console/operators/{name:str}", Role.ADMIN)
async def changed(visit: Visit) -> Answer:
    name, action, accounts = visit.path("name"), visit.value("action"), visit.console.accounts
    if name == visit.operator.name and action in NOT_WITH_ONESELF:
        raise Refused("insufficient_scope", "You cannot do this to your own account; ask another admin.")
    match action:
        case "reset":
            return await _list(visit, name, await accounts.reset(name, visit.actor))
        case "role":
            await accounts.change_role(name, _role(visit), visit.actor)
        case "unlock":
            await accounts.unlock(name, visit.actor)
        case "end_sessions":
            await accounts.end_sessions(name, visit.actor)
        case "remove":
            await accounts.remove(name, visit.actor)
        case _:
            raise Refused("validation_failed", "There is no such action.")
    return visit.go("/console/operators", done=action)


def _role(visit: Visit) -> Role:
    """Raises Refused."""
    if visit.value("role") not in list(Role):
        raise Refused("validation_failed", "There is no such role.")
    return Role(visit.value("role"))


async def _list(visit: Visit, name: str = "", token: str = "") -> Answer:
    public = visit.service.settings.service.public_url.rstrip("/")
    return visit.page(
        "operators.html",
        found=await visit.console.accounts.list(),
        roles=list(Role),
        invited=name,
        link=f"{public}{ENROL}{token}" if token else "",
    )


PAGES = (operators, add, changed)
