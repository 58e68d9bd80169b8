"""Whether a person has a second factor cannot be told from how long the answer to a wrong code takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle

import pytest

from benchmarks.rig import meter
from tests.api import Api
from tests.authenticator import confirmed
from tests.running import API_KEY, RedisServer, running_service
from tests.sizes import sized

ANSWERS = 18
"""That one person gets, all wrong: below the 20 from which they would have to wait."""
TRIES = 3
"""Equal work is measured more than 5 % apart once in many runs; three times in a row where it is not equal."""
KINDS = ("known", "unknown")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sandbox_process: str) -> Iterator[tuple[str, Sequence[int]]]:
    """A service that nobody else asks: its URL, and the processes that answer, its own and that of its Redis."""
    folder = tmp_path_factory.mktemp("timing")
    server = RedisServer(folder)
    try:
        with running_service(folder, server.url, sandbox_process) as (url, service, _):
            yield url, (service.pid, server.pid)
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "authenticators", "people"),
    [("222222", 1, sized(60, 16)), ("222222", 10, sized(60, 16)), ("2222-2222-2222", 1, sized(60, 8))],
    ids=["totp", "H-7 ten of them", "backup_code"],
)
async def test_s11_unknown_and_wrong_take_the_same_time(
    served: tuple[str, Sequence[int]], code: str, authenticators: int, people: int
) -> None:
    """Medians of processor time within 5 %, to which no other process of the machine adds; and within 15 % the lower
    quarter of the clock's, which would show a wait that is no work."""
    url, processes = served
    async with Api(url, API_KEY) as api:
        for attempt in range(TRIES):
            names = [f"{len(code)}-{authenticators}-{attempt}-{n}" for n in range(people)]
            for begin in range(0, people, 4):
                some = names[begin : begin + 4]
                await asyncio.gather(*(enrol(api, f"known-{one}", code, authenticators) for one in some))
            work, took = await answers(api, processes, names, code)
            works = [statistics.median(work[kind]) for kind in KINDS]
            times = [statistics.quantiles(took[kind], n=4)[0] for kind in KINDS]
            if alike(works, 0.05) and alike(times, 0.15):
                return
    pytest.fail(f"known and unknown: {works} s of the processor, {times} s of the clock")


async def enrol(api: Api, subject: str, code: str, authenticators: int) -> None:
    for _ in range(authenticators):
        _, app, step = await confirmed(api, subject)
        assert code not in {app.at(step + off) for off in (-2, -1, 0, 1, 2)}
    await api.post("/v1/factors/backup-codes", {"subject": subject})


async def answers(
    api: Api, processes: Sequence[int], names: Sequence[str], code: str
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of the processor and of the clock for each answer, by turns."""
    work: dict[str, list[float]] = {kind: [] for kind in KINDS}
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    turns = cycle(("known", "unknown", "unknown", "known"))
    for _ in range(ANSWERS // 2):
        for one in names:
            for kind in (next(turns) for _ in range(4)):
                before, began = worked(processes), time.perf_counter()
                answer = await api.post(f"/v1/subjects/{kind}-{one}/check", {"code": code})
                took[kind].append(time.perf_counter() - began)
                work[kind].append(worked(processes) - before)
                assert answer.json()["outcome"] == "wrong_code"
    return work, took


def worked(processes: Sequence[int]) -> float:
    """Seconds of processor time of their threads so far."""
    return sum(meter.used(pid)[pid] for pid in processes)


def alike(pair: Sequence[float], apart: float) -> bool:
    known, unknown = pair
    return abs(known / unknown - 1) < apart
