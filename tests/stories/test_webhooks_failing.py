"""Receivers that fail, refuse or vanish, and workers that die: days by the clock of Redis."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from redis import Redis

from otp_service.domain.webhooks import JITTER, PAUSES_SECONDS
from tests.api import Api, Gateways
from tests.cli.commands import Commands
from tests.clock import FakedServer, faked_server
from tests.hooks import Post, Receiver, receiving
from tests.sizes import sized
from tests.stories.told import Told, family, in_order, telling, verifications

pytestmark = pytest.mark.slow

HOOK = {"/hook": {"events": ["verification.*"]}}
QUIET_SECONDS = 1.5
"""A worker looks for due jobs at least once a second."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakedServer]:
    with faked_server(tmp_path / "redis") as found:
        yield found


async def next_try(told: Told, server: FakedServer, attempt: int, pause: float) -> None:
    """After so many failures, the next attempt comes when `pause` ±10 % is over, and not before."""
    while (state := await told.listed.state("/hook"))["attempt"] < attempt:
        await asyncio.sleep(0.05)
    assert state["attempt"] == attempt
    planned = (state["next_at"] - state["failed_at"]) / 1000
    assert (1 - JITTER) * pause - 1 <= planned <= (1 + JITTER) * pause + 1, (pause, planned)
    before = len(told.receiver.posts)
    server.clock.move(seconds=max(0.0, state["next_at"] / 1000 - server.clock.now() - 4))
    await asyncio.sleep(QUIET_SECONDS)
    assert len(told.receiver.posts) == before
    server.clock.move(seconds=4)
    await told.receiver.until(lambda: len(told.receiver.posts) > before)


def forget_the_dead(server: FakedServer) -> None:
    """As after the 30 s for which a worker that died still has its endpoints."""
    with Redis.from_url(server.url) as redis:
        for name in redis.scan_iter("otp:hook:*"):
            redis.hdel(name, "lease", "holder")


async def test_a_receiver_that_is_down_for_a_day_gets_everything(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    """R-10: all of it after the recovery, in order, on the published schedule ±10 %."""
    receiver.answer("/hook", 503)
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        began = server.clock.now()
        ids = await verifications(told.api, family(phone, 3))
        await receiver.until(lambda: receiver.posts)
        down = 0
        for number, pause in enumerate(PAUSES_SECONDS):
            if server.clock.now() - began + pause > 86_400:
                break
            await next_try(told, server, number + 1, pause)
            down += 1
            first = min(receiver.posts, key=lambda post: post.body["sequence"])
            assert (receiver.posts[-1].id, receiver.posts[-1].raw) == (first.id, first.raw)
            ids += await verifications(told.api, family(phone, 3, 24 + 4 * number))
        assert down == 6
        server.clock.move(seconds=86_400 - (server.clock.now() - began))
        receiver.answers.clear()
        attempts = len(receiver.posts)
        await asyncio.sleep(QUIET_SECONDS)
        assert len(receiver.posts) == attempts
        state = await told.listed.state("/hook")
        assert state["backlog"] >= 2 * len(ids)
        server.clock.move(seconds=state["next_at"] / 1000 - server.clock.now() + 1)
        heard = [event for event in await told.listed_events() if event["type"].startswith("verification.")]
        assert {event["data"]["verification_id"] for event in heard} == set(ids)
        await receiver.until(lambda: len(receiver.taken("/hook")) >= len(heard))

        taken = receiver.taken("/hook")
        assert taken[0].id == first.id  # the probe; then the backlog flows
        assert in_order(taken)
        assert sorted(post.body["sequence"] for post in taken) == [event["sequence"] for event in heard]
        assert (await told.listed.state("/hook"))["state"] == "ok"
        assert len(told.logged("webhook_failing")) == 7
        assert len(told.logged("webhook_recovered")) == 1


async def test_long_failure_disables_and_a_replay_enables(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    receiver.answer("/hook", 500, Retry_After="7")
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        await verifications(told.api, [phone])
        await receiver.until(lambda: receiver.posts)
        for number, pause in enumerate(PAUSES_SECONDS):
            await next_try(told, server, number + 1, 7 if number == 0 else pause)  # Retry-After asks for more than 5 s
        await receiver.until(lambda: told.logged("webhook_disabled"))
        state = await told.listed.state("/hook")
        assert (state["state"], state["disabled"], len(receiver.posts)) == ("disabled", "failing", 10)
        server.clock.move(hours=30)
        await verifications(told.api, [f"{phone[:-2]}50"])
        await asyncio.sleep(QUIET_SECONDS)
        assert len(receiver.posts) == 10
        assert len(told.logged("webhook_disabled")) == 1

        with Redis.from_url(server.url) as redis:
            redis.xtrim("otp:events:{app:web}", maxlen=2, approximate=False)
        kept = await told.listed_events()
        receiver.answers.clear()
        replayed = await told.listed.run("replay", told.listed.id("/hook"))
        assert replayed.code == 0, replayed.text
        await receiver.until(lambda: receiver.taken("/hook") and receiver.taken("/hook")[-1].id == kept[-1]["id"])
        await receiver.until(lambda: sum(line["events"] for line in told.logged("webhook_events_lost")) > 0)
        assert len(kept) == 2
        state = await told.listed.state("/hook")
        assert (state["state"], state["disabled"], state["attempt"]) == ("ok", "", 0)

        lost = len(told.logged("webhook_events_lost"))
        events = await told.listed_events()
        count = len(receiver.taken("/hook"))
        again = await told.listed.run("replay", told.listed.id("/hook"), "--from", events[0]["id"])
        assert again.code == 0, again.text
        await receiver.until(lambda: len(receiver.taken("/hook")) >= 2 * count)
        assert Counter(post.id for post in receiver.taken("/hook")).most_common()[-1][1] == 2
        since = await told.listed.run("replay", told.listed.id("/hook"), "--from", "2020-01-01T00:00:00Z")
        assert since.code == 0, since.text
        await receiver.until(lambda: len(receiver.taken("/hook")) >= 3 * count)
        assert (await told.listed.run("replay", told.listed.id("/hook"), "--from", "yesterday")).code == 2
        assert len(told.logged("webhook_events_lost")) == lost


@pytest.mark.parametrize("status", [422, 500])
async def test_one_poisoned_event_does_not_stop_the_rest(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands, status: int,
) -> None:  # fmt: skip
    """422: the others flow at once. 500 may be the receiver, so they wait until another event is taken meanwhile."""
    poisoned: set[str] = set()

    async def picky(post: Post) -> web.Response:
        poisoned.add(receiver.posts[0].id)
        return web.Response(status=status if post.id in poisoned else 204)

    receiver.answers["/hook"] = picky
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        first = (await told.api.started(phone))["id"]
        await receiver.until(lambda: receiver.posts)
        (bad,) = poisoned
        others = await verifications(told.api, family(phone, 5))
        assert (await told.api.cancel(first)).status_code == 200
        if status == 422:
            await receiver.until(lambda: len(receiver.taken("/hook")) >= 10)
            assert {post.about for post in receiver.taken("/hook")} == set(others)
        noted = "webhook_refused" if status == 422 else "webhook_failing"
        for tries, pause in enumerate((6, 331), start=2):
            await receiver.until(lambda least=tries - 1: len(told.logged(noted)) >= least)
            server.clock.move(seconds=pause)
            await receiver.until(lambda least=tries: Counter(post.id for post in receiver.posts)[bad] >= least)
        await receiver.until(lambda: len(receiver.taken("/hook")) >= 11)

        assert {post.about for post in receiver.taken("/hook")} == {first, *others}
        assert bad not in {post.id for post in receiver.taken("/hook")}
        assert in_order(receiver.taken("/hook"))
        server.clock.move(hours=3)
        await asyncio.sleep(QUIET_SECONDS)
        assert Counter(post.id for post in receiver.posts)[bad] == 3
        state = await told.listed.state("/hook")
        assert (state["state"], state["parked"]) == ("ok", 1)
        (line,) = told.logged("webhook_parked")
        assert (line["subject"], line["answer"], line["sequence"]) == (
            first,
            str(status),
            receiver.posts[0].body["sequence"],
        )

        receiver.answers.clear()
        replayed = await told.listed.run("replay", told.listed.id("/hook"), "--parked")
        assert "1 parked" in replayed.out
        await receiver.until(lambda: bad in {post.id for post in receiver.taken("/hook")})


async def test_a_receiver_that_refuses_everything_fails(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    """400 to everything is a wrong secret, say: five events are parked, the others wait for the repair."""
    receiver.answer("/hook", 400)
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        await verifications(told.api, family(phone, 8))
        await receiver.until(lambda: len({post.id for post in receiver.posts}) == 8)
        for count, pause in ((8, 6), (16, 331)):
            await receiver.until(lambda least=count: len(told.logged("webhook_refused")) >= least)
            server.clock.move(seconds=pause)
        await receiver.until(lambda: told.logged("webhook_failing"))
        state = await told.listed.state("/hook")
        assert state["state"] == "failing"
        assert 5 <= state["parked"] <= 8  # up to eight were under way
        assert state["parked"] + state["backlog"] >= 16


async def test_a_slow_receiver_fails_after_15_s_and_holds_up_nobody(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    async def slow(_: Post) -> web.Response:
        await asyncio.sleep(25)
        return web.Response()

    receiver.answers["/slow"] = slow
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, {"/slow": {}, "/hook": {}}) as told:
        await verifications(told.api, family(phone, 5))
        await receiver.until(lambda: len(receiver.taken("/hook")) >= 15, 5)
        await receiver.until(lambda: told.logged("webhook_failing"), 20)
        (line,) = told.logged("webhook_failing")
        assert line["answer"] == "timeout"
        await verifications(told.api, family(phone, 5, 30))
        await receiver.until(lambda: len(receiver.taken("/hook")) >= 30, 5)
        assert len(receiver.at("/slow")) <= 6


async def test_what_was_told_by_a_process_that_died_is_told_again_under_its_id(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    """Killed between the receiver's work and our note of it."""
    told: Told

    async def deadly(_: Post) -> web.Response:
        told.child.kill()
        return web.Response()

    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        await verifications(told.api, [phone])
        await receiver.until(lambda: len(receiver.taken("/hook")) == 2)
        receiver.answers["/hook"] = deadly
        with suppress(httpx.HTTPError):
            await told.api.start(f"{phone[:-2]}30")
        await receiver.until(lambda: len(receiver.at("/hook")) == 3)
        receiver.answers.clear()
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        await asyncio.sleep(QUIET_SECONDS)
        assert len(receiver.at("/hook")) == 3  # the dead one's lease
        server.clock.move(seconds=31)
        await receiver.until(lambda: len(receiver.at("/hook")) >= 4)
        third, fourth = receiver.at("/hook")[2:4]
        assert (third.id, third.raw) == (fourth.id, fourth.raw)
        counts = Counter(post.id for post in receiver.at("/hook"))
        assert sorted(counts.values())[-1] == 2
        assert sum(counts.values()) - len(counts) == 1


async def test_workers_that_are_killed_at_random_lose_nothing(
    tmp_path: Path, server: FakedServer, sandbox_process: str, gateways: Gateways, phone: str, receiver: Receiver,
    commands: Commands,
) -> None:  # fmt: skip
    """R-09, for webhooks: each event at least once, under one id, with the same bytes, in order for each subject."""
    kills = sized(8, 4)
    draw = random.Random(9)
    expected: set[str] = set()

    async def noted(api: Api, number: int) -> None:
        with suppress(httpx.HTTPError, AssertionError):
            expected.update(await verifications(api, [f"{phone[:-3]}{number:03d}"]))

    def posted(least: int) -> bool:
        return len(receiver.posts) >= least

    number = 0
    for _ in range(kills):
        async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
            forget_the_dead(server)
            work = []
            for _ in range(6):
                number += 1
                work.append(asyncio.create_task(noted(told.api, number)))
            before = len(receiver.posts)
            with suppress(AssertionError):
                await receiver.until(partial(posted, before + draw.randrange(1, 12)), 3)
            await asyncio.sleep(draw.uniform(0, 0.02))
            told.child.send_signal(signal.SIGKILL)
            await asyncio.gather(*work)
    async with telling(tmp_path, server.url, sandbox_process, receiver, commands, HOOK) as told:
        server.clock.move(seconds=40)
        events = [e for e in await told.listed_events() if e["type"].startswith("verification.")]
        await receiver.until(lambda: {post.id for post in receiver.posts} >= {event["id"] for event in events}, 30)
        events = [e for e in await told.listed_events() if e["type"].startswith("verification.")]
        await receiver.until(lambda: {post.id for post in receiver.posts} >= {event["id"] for event in events}, 30)
    posts = receiver.posts
    assert {event["data"]["verification_id"] for event in events} >= expected
    assert len({(post.id, post.raw) for post in posts}) == len({post.id for post in posts})
    firsts = list({post.id: post for post in reversed(posts)}.values())[::-1]
    assert in_order(sorted(firsts, key=lambda post: post.at))
    assert len(posts) - len(firsts) <= kills, f"{kills} kills, {len(firsts)} events, {len(posts)} requests"
