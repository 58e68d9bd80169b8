"""`/_sim/scenario`: how gateways do over a long while."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from otp_service.sandbox.scenario import Scenario
from otp_service.sandbox.state import Sandbox


@post("/scenario", sync_to_thread=False)
def begin_scenario(sandbox: NamedDependency[Sandbox], data: JSONBody[Scenario]) -> list[Scenario]:
    """It begins now, anew if it is there already. Answers all that are under way."""
    sandbox.scenarios.begin(data, sandbox.clock.now())
    return sandbox.scenarios.list()


@get("/scenario", sync_to_thread=False)
def list_scenarios(sandbox: NamedDependency[Sandbox]) -> list[Scenario]:
    return sandbox.scenarios.list()


@delete("/scenario", sync_to_thread=False)
def end_scenario(sandbox: NamedDependency[Sandbox]) -> None:
    """What was decided of messages stays."""
    sandbox.scenarios.clear()
