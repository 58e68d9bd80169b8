"""One run of the delivery benchmark, in a process under libfaketime: a `Plan` in, an `Outcome` out, both JSON."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import msgspec

from benchmarks.delivery.people import Feed, Person, asked, live, people
from benchmarks.delivery.plan import Outcome, Plan, Spread
from benchmarks.delivery.world import World, opened
from otp_service.sandbox.scenario import Scenario, person_of
from tests.api import Api
from tests.running import API_KEY

FIRST_SECONDS = 5.0
TAIL_SECONDS = 1800.0
"""After the last person has come; all must have ended by then: 600 s of life, and as long again."""
LOOK_SECONDS = 20.0
LATENESS_SECONDS = 5
"""A page of metrics costs the service as much as two starts."""
PARALLEL = 16


class Watch:
    """What the run did to the machine, and the clock to the run."""

    def __init__(self, world: World, service: httpx.AsyncClient) -> None:
        self._world = world
        self._service = service
        self.lateness: list[float] = []
        self.loop: list[float] = []
        self._began = self._clocks()
        self._cpu = self._cpu_seconds()

    async def run(self) -> None:
        """Until canceled."""
        while True:
            for _ in range(LATENESS_SECONDS):
                before = time.monotonic()
                await asyncio.sleep(1)
                self.loop.append(time.monotonic() - before - 1)
            page = (await self._service.get("/metrics")).text
            self.lateness.append(float(page.split("\notp_due_oldest_seconds ")[1].split()[0]))

    def _clocks(self) -> dict[str, float]:
        """The kernel's own, which libfaketime does not reach, first."""
        kernel = float(Path("/proc/uptime").read_text().split()[0])
        now = httpx.post(f"{self._world.sandbox}/_sim/clock/advance", json={"seconds": 0}, timeout=60).json()["now"]
        seconds, micros = self._world.redis.time()
        return {
            "kernel": kernel,
            "people": time.time(),
            "Redis": seconds + micros / 1e6,
            "sandbox": datetime.fromisoformat(now).timestamp(),
        }

    def _cpu_seconds(self) -> float:
        ticks = sum(_ticks(pid) for pid in (*self._world.pids, os.getpid()))
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> tuple[dict[str, float], float, float]:
        """How fast each clock went, CPU seconds a real second, and real seconds."""
        began, ended = self._began, self._clocks()
        real = ended["kernel"] - began["kernel"]
        speeds = {name: (ended[name] - began[name]) / real for name in began if name != "kernel"}
        return speeds, (self._cpu_seconds() - self._cpu) / real, real


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def run(plan: Plan, folder: Path) -> Outcome:
    with opened(plan, folder) as world:
        patience = httpx.Timeout(120 * plan.speed)
        async with (
            Api(world.service, API_KEY) as api,
            httpx.AsyncClient(
                base_url=world.sandbox,
                trust_env=False,
                verify=False,
                timeout=patience,
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as sandbox,
        ):
            api.http.timeout = patience
            watch = Watch(world, api.http)
            told = await sandbox.post("/_sim/scenario", json={"seed": str(plan.seed), **plan.scenario})
            assert told.status_code == httpx.codes.CREATED, told.text
            if plan.variant.telegram_seconds is not None:
                own = {**plan.telegram, "banned_share": 0, "paused_share": 0}  # those are operators'
                of_telegram = {"gateway": "telegram", "seed": str(plan.seed), **plan.scenario, **own}
                told = await sandbox.post("/_sim/scenario", json=of_telegram)
                assert told.status_code == httpx.codes.CREATED, told.text
            everybody = people(plan, time.time() + FIRST_SECONDS)
            feed = Feed(everybody, sandbox)
            async with asyncio.TaskGroup() as around:
                constant = [around.create_task(feed.run()), around.create_task(watch.run())]
                async with asyncio.TaskGroup() as living:
                    for person in everybody:
                        living.create_task(live(plan, person, api, sandbox))
                records = await _ended(everybody, api)
                for task in constant:
                    task.cancel()
            await feed.look()
            if "Traceback" in (log := (folder / "service.log").read_text()):
                raise RuntimeError(log)
            if plan.records:
                _keep(Path(plan.records), everybody, records)
            return _outcome(plan, everybody, records, watch)


def _keep(file: Path, everybody: Sequence[Person], records: Sequence[dict[str, Any]]) -> None:
    """Times as seconds since the first person came."""
    by_id, began = {record["id"]: record for record in records}, everybody[0].starts_at
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as lines:
        for person in everybody:
            told = {
                "phone": person.phone,
                "asked": person.asked_at - began,
                "answered": person.answered_at - began,
                "waited": person.waited,
                "sms": [
                    (sms.gateway, sms.sent_at - began, sms.arrives_at - began if sms.arrives_at else None)
                    for sms in person.sms
                ],
                "record": by_id.get(person.verification),
            }
            lines.write(msgspec.json.encode(told) + b"\n")


async def _ended(everybody: Sequence[Person], api: Api) -> list[dict[str, Any]]:
    """All verifications, once all are final, or as they are when the time for that is over."""
    last = everybody[-1].starts_at + TAIL_SECONDS
    done: dict[str, dict[str, Any]] = {}
    asking = asyncio.Semaphore(PARALLEL)

    async def look(verification: str) -> None:
        async with asking:
            done[verification] = (await asked(lambda: api.status(verification))).json()

    while True:
        left = [
            person.verification
            for person in everybody
            if person.verification and not (person.verification in done and _final(done[person.verification]))
        ]
        await asyncio.gather(*(look(verification) for verification in left))
        if all(map(_final, done.values())) or time.time() > last:
            return list(done.values())
        await asyncio.sleep(LOOK_SECONDS)


def _final(record: dict[str, Any]) -> bool:
    return record["status"] != "pending" and not _open_messages(record)


def _open_messages(record: dict[str, Any]) -> int:
    return sum(
        message["status"] in ("queued", "unclear", "scheduled", "held", "accepted") for message in record["messages"]
    )


def _outcome(plan: Plan, everybody: Sequence[Person], records: Sequence[dict[str, Any]], watch: Watch) -> Outcome:
    waits = [person.waited for person in everybody if person.waited is not None]
    approvals = max(len(waits), 1)
    sends = {record["id"]: (plan.variant.max_sends or 5) - record["sends_left"] for record in records}
    messages = [one for person in everybody for one in person.sms]
    sms = [one for one in messages if one.gateway != "telegram"]
    charged = [*sms, *(one for one in messages if one.gateway == "telegram" and one.arrives_at)]  # the rest is refunded
    scenario = msgspec.convert({"seed": str(plan.seed), **plan.scenario}, Scenario)
    cut_off = [person for person in everybody if person_of(scenario, person.phone.lstrip("+")).reach != "reachable"]
    reachable = max(1, len(everybody) - len(cut_off))
    needy = [person for person in cut_off if not any(one.gateway == "telegram" for one in person.sms)]
    speeds, busy, real = watch.end()
    return Outcome(
        held_30=sum(wait <= 30 for wait in waits) / len(everybody),
        held_60=sum(wait <= 60 for wait in waits) / len(everybody),
        approved=len(waits) / len(everybody),
        sms_per_approval=len(sms) / approvals,
        telegram_per_approval=(len(messages) - len(sms)) / approvals,
        waited_seconds=_spread(waits),
        duplicates=sum(max(0, len(person.sms) - sends.get(person.verification, 0)) for person in everybody),
        roubles_per_approval=sum(one.parts * plan.prices[one.gateway] for one in charged) / approvals,
        told_of_unreachable=_share(person.told_at is not None for person in needy),
        told_in_vain=_share(person.told_at is not None for person in everybody if _came_in_time(person)),
        claimed=sum(person.claimed for person in everybody) / approvals,
        unreachable=len({person.phone for person in cut_off}),
        sms_per_unreachable=sum(one.gateway != "telegram" for person in cut_off for one in person.sms)
        / max(1, len({person.phone for person in cut_off})),
        held_of_reachable_30=sum(wait <= 30 for wait in waits) / reachable,
        held_of_reachable_60=sum(wait <= 60 for wait in waits) / reachable,
        pressed_again=sum(person.pressed for person in everybody),
        open_verifications=sum(record["status"] == "pending" for record in records),
        open_messages=sum(map(_open_messages, records)),
        refused=sum(person.refused for person in everybody),
        wrong_codes=sum(person.wrong_codes for person in everybody),
        clocks=speeds,
        start_seconds=_spread(person.answered_at - person.asked_at for person in everybody),
        lateness_seconds=_spread(watch.lateness),
        loop_seconds=_spread(watch.loop),
        turn_seconds=_spread(filter(None, map(_turn, records))),
        busy=busy,
        real_seconds=real,
    )


def _share(which: Iterable[bool]) -> float:
    found = list(which)
    return sum(found) / max(1, len(found))


def _came_in_time(person: Person) -> bool:
    return any(one.arrives_at is not None and one.arrives_at <= person.asked_at + 30 for one in person.sms)


def _turn(record: dict[str, Any]) -> float | None:
    """From the first message, which the gateway took and nothing was known of, to the one sent in its place."""
    times = {
        (moment["what"], moment["message"].rpartition(".")[2]): datetime.fromisoformat(moment["at"]).timestamp()
        for moment in record["timeline"]
        if moment["message"]
    }
    taken, replaced = times.get(("message.accepted", "1")), times.get(("message.queued", "2"))
    failed = times.get(("message.undelivered", "1"), times.get(("message.expired", "1"), float("inf")))
    if taken is None or replaced is None or replaced < taken or failed <= replaced:
        return None
    return replaced - taken


def _spread(values: Iterable[float]) -> Spread:
    found = sorted(values)
    if not found:
        return Spread(0, 0, 0)
    return Spread(median(found), found[int(0.95 * (len(found) - 1))], found[-1])


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with tempfile.TemporaryDirectory() as name:
        outcome = asyncio.run(run(plan, Path(name)))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
