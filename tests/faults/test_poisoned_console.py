"""H-4 for the console: whatever of its keys cannot be read, every page and every sign-in says so, as a page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from otp_service.storage.keys import CATALOGUE, Kind
from tests.console.conftest import command, named
from tests.console.desk import Desk
from tests.faults.poison import HOWS, names, poisoned
from tests.faults.world import World, number

PAGES = ("/console", "/console?span=30d", "/console/find", "/console/gateways", "/console/fraud", "/console/webhooks",
         "/console/events", "/console/keys", "/console/operators", "/console/audit", "/console/settings",
         "/console/sign-in")  # fmt: skip
FINE = {200, 303, 401, 403, 404, 422, 429, 503}
OWN = [kind for kind in CATALOGUE if "{operators}" in kind.pattern]


class Crew:
    """An admin and a newcomer at one process, and what they ask."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.admin = Desk(url)
        self.admin.name = named()
        self.stranger = Desk(url)
        self.newcomer = "/console/enrol/" + self.invited(named()).rpartition("/")[2]
        assert self.admin.enrol(self.invited(self.admin.name, "admin")).status_code == 200
        assert self.admin.sign_in(self.admin.name).status_code == 303
        assert self.stranger.sign_in(named(), "a guess at it").status_code == 401

    def invited(self, name: str, role: str = "viewer") -> str:
        world = self.world
        done = command(world.folder, world.server.url, world.sandbox, "operators", "add", name, "--role", role)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def comes_back(self) -> None:
        """A session whose account was another for a moment has ended: it is bound to its role."""
        if self.admin.get("/console").status_code != 200:
            self.admin.token = ""
            assert self.admin.sign_in(self.admin.name).status_code == 303
            assert self.admin.get("/console").status_code == 200

    def asks(self, kind: Kind, verification: str, phone: str) -> Iterator[httpx.Response]:
        admin, token = self.admin, self.admin.token
        for path in (*PAGES, f"/console/verifications/{verification}"):
            yield admin.get(path)
            admin.token = token
        for asked in (phone, "anna", "order-1"):
            yield admin.send("/console/find", q=asked, application="web")
            admin.token = token
        if kind not in OWN and kind.pattern != "otp:audit":
            return
        yield admin.send("/console/operators", name=named(), role="viewer")
        yield admin.send("/console/operators", f"/console/operators/{self.admin.name}", action="unlock")
        yield admin.send("/console/audit", "/console/audit/export")
        admin.token = token
        yield self.stranger.get(self.newcomer)
        for name in (self.admin.name, named()):
            self.stranger.token = ""
            yield self.stranger.post("/console/sign-in", {"name": name, "password": "a guess at it"})


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_every_page_says_what_it_can(world: World, how: str) -> None:
    """Of every kind that there is, one key after another: no fault of ours, and the console is whole again after it."""
    phone = number()
    started = (await world.first.start(phone, key="console-" + phone, reference="order-1", subject="anna")).json()
    await world.first.post("/v1/factors/totp", {"subject": "anna"}, key="enrol-" + how)
    crew = Crew(world, str(world.first.http.base_url))
    seen, wrong = set[str](), list[str]()
    for kind in CATALOGUE:
        for name in await chosen(world, kind, crew):
            crew.comes_back()
            async with poisoned(world.redis, name, kind, how):
                for answer in crew.asks(kind, started["id"], phone):
                    is_page = answer.status_code == 303 or answer.text.startswith(("<!DOCTYPE html>", "{"))
                    if answer.status_code not in FINE or not is_page:
                        wrong.append(f"{kind.pattern}: {answer.url.path} {answer.status_code}")
            seen.add(kind.pattern)
    assert wrong == [], wrong
    assert {kind.pattern for kind in OWN} <= seen
    assert world.tracebacks() == []
    crew.comes_back()


async def chosen(world: World, kind: Kind, crew: Crew) -> list[bytes]:
    """One key, and those of the admin who asks."""
    found = await names(world.redis, kind)
    operator, _, secret = crew.admin.token.partition(".")
    own = (operator.encode(), hashlib.sha256(secret.encode()).hexdigest().encode())
    return [*found[-1:], *(name for name in found[:-1] if kind in OWN and name.endswith(own))]
