"""Which lanes a worker asks: those whose next job is due, and each after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from otp_service.storage.schedule import Job
from otp_service.worker import LANE_SECONDS, Worker


class Lanes:
    """A schedule in which one lane always has a job in 0.1 s, and the others none."""

    lanes = ("busy", *(str(n) for n in range(20)))

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []

    async def claim(self, lanes: Sequence[str]) -> tuple[list[Job], dict[str, float | None]]:
        self.asked.append(list(lanes))
        return [], {lane: 0.1 if lane == "busy" else None for lane in lanes}


async def test_a_quiet_lane_is_asked_now_and_then_and_a_busy_one_when_it_is_due() -> None:
    schedule: Any = Lanes()
    stopping = asyncio.Event()
    running = asyncio.create_task(Worker(schedule, {}, stopping).run())
    await asyncio.sleep(LANE_SECONDS * 1.5)
    stopping.set()
    await running
    first, *rounds = schedule.asked
    assert first == list(Lanes.lanes)
    assert sum("0" in asked for asked in rounds) == 1
    assert sum(asked == ["busy"] for asked in rounds) >= 3
