"""Operations of the service, taken down one at a time against a Valkey that is then there to ask it again."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from benchmarks.rig.load import WRONG, phones
from benchmarks.rig.recording import Recording, Tap, taken_down
from benchmarks.rig.servers import Plan, World, prepared, serving
from benchmarks.rig.stub import CODE
from tests.running import API_KEY, free_port

WARM_UP = 3
SEGMENT = 99
"""Of the phones of a world; nobody else takes that one."""

LONG_LIVED = Plan(life_seconds=600)

T = TypeVar("T")


@dataclass(frozen=True)
class Recorded:
    """files: by operation. ids: of the verifications, in their order."""

    world: World
    ids: Sequence[str]
    recordings: Mapping[str, Recording]
    files: Mapping[str, Path]

    @property
    def pid(self) -> int:
        """Of the Valkey to repeat them on."""
        return self.world.pids["redis"]


@contextmanager
def recorded(count: int, folder: Path, changed: Plan = LONG_LIVED) -> Iterator[Recorded]:
    """So many starts, wrong checks, statuses and right checks of the same verifications. Valkey stays.

    The life is the longest that can be set, because what is recorded is asked as long as it lives.
    """
    folder.mkdir()
    plan = replace(changed, jobs=False, tap=free_port())
    with prepared(plan, folder) as world, _loop() as run:
        tap = Tap(plan.tap, world.port)
        listening = tap.listening()
        run(listening.__aenter__())
        with serving(plan, world, folder) as served:
            ids, found = run(_operations(tap, served, count))
        files = {name: one.save(folder / f"{name}.recording") for name, one in found.items()}
        yield Recorded(world, ids, found, files)


async def _operations(tap: Tap, world: World, count: int) -> tuple[list[str], dict[str, Recording]]:
    whose = itertools.islice(phones(SEGMENT), count + WARM_UP)
    ids: list[str] = []
    async with aiohttp.ClientSession(world.url, headers={"Authorization": f"Bearer {API_KEY}"}) as client:

        async def start(phone: str, address: str) -> None:
            order = {"to": phone, "purpose": "login", "client": {"ip": address, "trusted": True}}
            async with client.post("/v1/verifications", json=order) as answer:
                ids.append((await answer.json())["id"])

        def each(act: Callable[[str], Awaitable[None]]) -> list[Callable[[], Awaitable[None]]]:
            return [partial(act, one) for one in ids]

        async def status(one: str) -> None:
            async with client.get(f"/v1/verifications/{one}") as answer:
                assert answer.status == 200, await answer.text()

        async def check(one: str, code: str, outcome: str) -> None:
            async with client.post(f"/v1/verifications/{one}/check", json={"code": code}) as answer:
                assert (await answer.json())["outcome"] == outcome, await answer.text()

        starts = [partial(start, *who) for who in whose]
        found = {"start": await taken_down(tap, world.redis, starts, WARM_UP)}
        found["status"] = await taken_down(tap, world.redis, each(status), WARM_UP)
        wrong = each(lambda one: check(one, WRONG, "wrong_code"))
        found["check"] = await taken_down(tap, world.redis, wrong, WARM_UP)
        right = each(lambda one: check(one, CODE, "approved"))
        found["approve"] = await taken_down(tap, world.redis, right, WARM_UP)
        return ids[WARM_UP:], found


@contextmanager
def _loop() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """An event loop in a thread: the main thread has to start processes and to wait for them meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
