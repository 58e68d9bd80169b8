"""Receivers hear what happened, signed, in order, and once where nothing breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from otp_service import __version__
from tests.api import Gateways
from tests.cli.commands import Commands
from tests.hooks import NEW, OLD, Receiver, receiving
from tests.running import TOPOLOGY, RedisServer
from tests.stories.told import family, in_order, telling, verifications
from tests.topologies import servers as topologies


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    """Where no other process passes events on."""
    if TOPOLOGY:
        with topologies.running(TOPOLOGY, topologies.binary(), tmp_path) as (servers, _):
            yield servers.url
        return
    server = RedisServer(tmp_path)
    yield server.url
    server.kill()


async def test_receivers_hear_what_the_list_of_events_tells(
    tmp_path: Path,
    own_redis: str,
    sandbox_process: str,
    gateways: Gateways,
    phone: str,
    receiver: Receiver,
    commands: Commands,
) -> None:
    """Also: filters, rotation, bad endpoints beside good ones, the command line, no secret and no URL in the log."""
    receiver.answer("/gone", 410)
    receiver.answer("/moved", 308, Location=f"{receiver.url}/elsewhere")
    receiver.answer("/busy", 429, Retry_After="3600")
    hooks = {
        "/all": {}, "/old": {"secret": OLD, "events": ["verification.*"]}, "/gone": {"events": ["message.updated"]},
        "/moved": {}, "/busy": {}, "/secret-path": {"events": ["gateway.*"]},
    }  # fmt: skip
    async with telling(tmp_path, own_redis, sandbox_process, receiver, commands, hooks) as told:
        ids = await verifications(told.api, family(phone, 6))
        await receiver.until(lambda: len(receiver.at("/all")) >= 18 and len(receiver.at("/old")) >= 12)
        events = await told.listed_events()

        posts = receiver.at("/all")
        assert sorted((post.body["sequence"], post.id) for post in posts) == [(e["sequence"], e["id"]) for e in events]
        for post in posts:
            event = next(event for event in events if event["id"] == post.id)
            assert list(post.body) == ["type", "timestamp", "sequence", "data"]
            assert post.body == {key: event[key] for key in post.body}
            assert post.headers["User-Agent"] == f"otp-service/{__version__}"
            assert post.headers["Content-Type"] == "application/json"
            assert len(post.raw) < 20_000
            for secret in (NEW, OLD):
                assert Webhook(secret).verify(post.raw, dict(post.headers)) == post.body
        assert {post.about for post in posts} == set(ids)
        assert in_order(posts)

        only_old = receiver.at("/old")
        assert [post.body["type"] for post in only_old if post.about == ids[0]] == [
            "verification.created", "verification.canceled",
        ]  # fmt: skip
        Webhook(OLD).verify(only_old[0].raw, dict(only_old[0].headers))
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(only_old[0].raw, dict(only_old[0].headers))

        found = await told.listed.states()
        states = {path: found[told.listed.id(path)] for path in hooks}
        assert (states["/all"]["state"], states["/all"]["answer"]) == ("ok", "204")
        assert states["/all"]["backlog"] < 6  # ends of messages may just be coming in
        assert (states["/gone"]["state"], states["/gone"]["disabled"]) == ("disabled", "gone")
        assert (states["/moved"]["state"], states["/moved"]["answer"]) == ("failing", "308")
        assert states["/moved"]["backlog"] >= len(events)
        assert 3_590_000 < states["/busy"]["next_at"] - states["/busy"]["failing_since"] <= 3_600_000
        assert receiver.at("/elsewhere") == []
        assert len(receiver.at("/gone")) <= 8  # what was under way, and nothing since
        assert len(receiver.at("/busy")) <= 8

        assert "webhooks replay" in (await told.listed.run("list")).out
        tested = await told.listed.run("test", told.listed.id("/secret-path"))
        assert (tested.code, tested.out[:4]) == (0, "204 ")
        (test,) = receiver.at("/secret-path")
        assert (test.body["type"], test.body["sequence"]) == ("webhook.test", 0)
        Webhook(NEW).verify(test.raw, dict(test.headers))
        assert (await told.listed.run("test", told.listed.id("/busy"))).code == 1
        assert (await told.listed.run("test", "nobody")).code == 2

        metrics = (await told.api.http.get("/metrics")).text
        assert (
            f'otp_webhook_deliveries_total{{application="web",result="told"}} {len(posts) + len(only_old)}.0' in metrics
        )
        assert 'otp_webhook_backlog{application="web"}' in metrics
        assert {line["answer"] for line in told.logged("webhook_failing")} == {"308", "429"}
        assert len(told.logged("webhook_disabled")) == 1
        text = told.log.read_text()
        assert [secret for secret in (NEW, OLD, NEW[6:], OLD[6:], "secret-path") if secret in text] == []
