"""What is asked once more, how often, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis

from otp_service.errors import StorageUnavailable
from otp_service.storage.connection import Database
from otp_service.storage.retry import TRIES, retry_lost

FAULT, SILENCE = StorageUnavailable(), "silence"
SECONDS, PATIENCE = 0.5, 0.15


def asking(*answers: object) -> tuple[Callable[[], Awaitable[object]], Sequence[object]]:
    left = list(answers)

    async def ask() -> object:
        answer = left.pop(0)
        if answer is SILENCE:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask, left


async def test_an_answer_is_asked_for_once() -> None:
    ask, left = asking("yes", "no")
    assert await retry_lost(ask, SECONDS, PATIENCE) == ("yes", False)
    assert left == ["no"]


@pytest.mark.parametrize("lost", [FAULT, SILENCE])
async def test_a_lost_answer_is_asked_for_again_and_that_is_told(lost: object) -> None:
    ask, _ = asking(lost, "yes")
    began = time.monotonic()
    assert await retry_lost(ask, SECONDS, PATIENCE) == ("yes", True)
    assert time.monotonic() - began < PATIENCE + 0.2


async def test_what_is_away_is_not_asked_for_ever() -> None:
    ask, left = asking(*[FAULT] * 9)
    with pytest.raises(StorageUnavailable):
        await retry_lost(ask, SECONDS, PATIENCE)
    assert len(left) == 9 - TRIES


async def test_after_silence_it_is_asked_for_once_more_and_that_takes_its_own_time() -> None:
    ask, left = asking(SILENCE, FAULT, "yes")
    with pytest.raises(StorageUnavailable):
        await retry_lost(ask, SECONDS, PATIENCE)
    assert left == ["yes"]

    times = iter((9.0, 2 * PATIENCE))

    async def slowly() -> str:
        await asyncio.sleep(next(times))
        return "yes"

    assert await retry_lost(slowly, SECONDS, PATIENCE) == ("yes", True)


@pytest.mark.parametrize("fault", [ValueError(), StorageUnavailable("confirmation_pending", "")])
async def test_other_faults_are_not_lost_answers(fault: Exception) -> None:
    ask, left = asking(fault, "yes")
    with pytest.raises(type(fault)):
        await retry_lost(ask, SECONDS, PATIENCE)
    assert left == ["yes"]


@pytest.mark.parametrize(("confirm", "lost"), [(True, False), (False, True)])
async def test_a_replica_may_take_its_time(confirm: bool, lost: bool) -> None:
    database = Database(Redis(), confirm_replicas=1, timeout_seconds=0.8)
    times = iter((0.4, 0.0))

    async def ask() -> str:
        await asyncio.sleep(next(times))
        return "confirmed"

    assert await database.retry_lost(ask, confirm=confirm) == ("confirmed", lost)
