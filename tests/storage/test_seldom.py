"""What scripts do that stories do not come to: too many of something, something gone from under them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from otp_service.domain.events import Event
from otp_service.domain.webhooks import TRIES_OF_REFUSED, Endpoint
from otp_service.domain.weekly import Figures, Weekly
from otp_service.settings import load
from otp_service.storage import keys, unreadable
from otp_service.storage.events import position
from otp_service.storage.rotation import _RESEAL
from otp_service.storage.stores import Stores, open_stores
from otp_service.storage.words import WebhookCame
from tests.clock import Clock, faked_server
from tests.running import service_environ

HOOK = Endpoint("0123456789ab", "web", "https://elsewhere.example/hook", (b"secret",), (), prefixes=("verification.",))
OPEN = keys.hook_open("web", HOOK.id)
DUE = keys.due(keys.GATEWAYS)


class Rig:
    """The stores of one process, and the clock of its Redis."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self.stores = stores
        self.clock = clock
        self.command = stores.database.command
        self.topology = stores.database.topology

    async def event(self, sequence: int | None) -> bytes:
        """An entry of the log, with its place among all; None for something else."""
        sound = {"type": "verification.sent", "at": 1, "application": "web", "subject": "x", "sequence": sequence}
        fields = (
            [part for pair in sound.items() for part in pair if part is not None] if sequence else ["nonsense", "1"]
        )
        written: bytes = await self.command("XADD", keys.events("web"), "*", *fields)
        return written

    async def taken(self) -> list[Event]:
        return [each.event for each in (await self.stores.webhooks.take(HOOK, "somebody")).events]

    async def came(self, event: Event, came: WebhookCame) -> tuple[str, int]:
        """Word and tries. The pauses are two seconds each."""
        settled = await self.stores.webhooks.settle(HOOK, event, came, 0, "400", [2000] * 5)
        return settled.word, settled.tries

    async def at(self, field: str) -> bytes | None:
        found: bytes | None = await self.command("HGET", keys.hook("web", HOOK.id), field)
        return found


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    with faked_server(tmp_path) as server:
        settings = load(service_environ(tmp_path, server.url, "http://127.0.0.1:1"))
        async with open_stores(settings, jobs={"web": []}) as stores:
            yield Rig(stores, server.clock)


async def test_of_too_much_that_is_unreadable_the_oldest_is_forgotten(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable, "MOST", 10)
    for number in range(11):
        await unreadable.note(rig.topology, "part", f"otp:elsewhere:{number}", "is wrong")
        rig.clock.move(seconds=1)
    kept = await unreadable.entries(rig.topology)
    assert [entry.key for entry in kept] == [f"otp:elsewhere:{number}" for number in range(1, 11)]


async def test_a_key_that_was_set_aside_comes_back_for_good(rig: Rig) -> None:
    name = keys.due("77")
    await rig.command("SET", name, "no sorted set")
    assert (await unreadable.mend(rig.topology, [name])).done
    (entry,) = await unreadable.entries(rig.topology)
    await rig.command("ZADD", name, 1, "relay:")
    assert not await unreadable.retry(rig.topology, entry), "there is another by now"
    await rig.command("DEL", name)
    assert await unreadable.retry(rig.topology, entry)
    assert await rig.command("GET", name) == b"no sorted set"
    assert await rig.command("TTL", name) == -1
    assert await rig.command("EXISTS", keys.aside(name)) == 0
    assert not await unreadable.retry(rig.topology, entry), "nothing is kept of it any more"


@pytest.mark.parametrize(
    ("made", "words", "left"),
    [
        (("HSET", "f", "1"), (b"hash", b"f", b"1"), None),
        (("HSET", "f", "2"), (b"hash", b"f", b"1"), b"hash"),
        (("ZADD", "1", "f"), (b"zset", b"f"), None),
        (("RPUSH", "f", "g"), (b"list", b"f"), b"list"),
        (("SET", "f"), (b"string", b"f"), None),
        (("SET", "g"), (b"string", b"f"), b"string"),
        (("SET", "f"), (b"hash", b"f", b"1"), b"string"),
    ],
)  # fmt: skip
async def test_a_part_is_taken_out_if_it_is_still_what_was_read(
    rig: Rig, made: tuple[str, ...], words: tuple[bytes, ...], left: bytes | None
) -> None:
    await rig.command(made[0], "{k}", *made[1:])
    await rig.command("EVAL", unreadable._DROP.text, 1, "{k}", *words)
    assert await rig.command("TYPE", "{k}") == (left or b"none")


async def test_an_event_is_taken_out_of_its_stream(rig: Rig) -> None:
    name = keys.outbox("77")
    first, second = [await rig.command("XADD", name, "*", "a", "b") for _ in range(2)]
    await unreadable.take_out(rig.topology, "event", name, "is no event", [b"a", b"b"], first)
    assert [entry for entry, _ in await rig.command("XRANGE", name, "-", "+")] == [second]


async def test_an_endpoint_begins_after_the_newest_event(rig: Rig) -> None:
    newest = [await rig.event(sequence) for sequence in (6, 7)][-1]
    assert await rig.stores.webhooks.begin(HOOK)
    assert (await rig.at("cursor"), await rig.at("sequence")) == (newest, b"7")
    assert not await rig.stores.webhooks.begin(HOOK), "it is known"


async def test_an_endpoint_whose_record_was_lost_begins_in_front_of_the_oldest_event(rig: Rig) -> None:
    for sequence in (6, 7):
        await rig.event(sequence)
    assert await rig.stores.webhooks.begin(HOOK, lost=True)
    assert (await rig.at("cursor"), await rig.at("sequence")) == (b"0-0", b"5")


async def test_what_is_no_event_is_left_to_who_reads_it(rig: Rig) -> None:
    await rig.stores.webhooks.begin(HOOK)
    nonsense = await rig.event(None)
    await rig.stores.webhooks.take(HOOK, "somebody")
    assert await rig.command("XRANGE", keys.events("web"), nonsense, nonsense) == []
    assert [entry.what for entry in await unreadable.entries(rig.topology)] == ["event"]


async def test_an_event_that_left_the_log_before_it_was_told_is_counted_as_lost(rig: Rig) -> None:
    await rig.stores.webhooks.begin(HOOK)
    gone = (await rig.event(1)).decode()
    await rig.command("ZADD", OPEN, 0, gone)
    await rig.command("HSET", keys.hook("web", HOOK.id), f"tries:{gone}", 2, "cursor", gone, "sequence", 1)
    await rig.command("XDEL", keys.events("web"), gone)
    taken = await rig.stores.webhooks.take(HOOK, "somebody")
    assert (taken.word, taken.lost, taken.events) == ("idle", 1, [])
    assert await rig.command("ZCARD", OPEN) == 0
    assert await rig.at(f"tries:{gone}") is None


async def test_a_cool_down_that_ends_after_somebody_closed_the_circuit_changes_nothing(rig: Rig) -> None:
    gateways = rig.stores.gateways
    assert await gateways.open_circuit("one", "unreachable", 5, 60)
    assert await gateways.close_circuit("one")
    await rig.command("ZADD", DUE, 0, "probe:one")
    assert not await gateways.try_circuit("one", fit=True, longest_seconds=60)
    assert await rig.command("ZSCORE", DUE, "probe:one") is None
    record = (await gateways.read(["one"]))["one"]
    assert record.circuit == "closed"


async def test_a_gateway_that_failed_its_probe_cools_down_for_twice_as_long_and_is_tried_then(rig: Rig) -> None:
    gateways = rig.stores.gateways
    assert await gateways.open_circuit("one", "unreachable", 5, 60)
    first = (await gateways.read(["one"]))["one"].probe_at
    assert await gateways.try_circuit("one", fit=False, longest_seconds=60)
    again = (await gateways.read(["one"]))["one"]
    assert (again.circuit, again.probe_at - first >= 5000) == ("open", True)
    assert float(await rig.command("ZSCORE", DUE, "probe:one")) == again.probe_at
    assert await gateways.try_circuit("one", fit=True, longest_seconds=60)
    assert (await gateways.read(["one"]))["one"].circuit == "half_open"
    assert await rig.command("ZSCORE", DUE, "probe:one") is None


async def test_a_week_is_told_once_and_kept_until_everybody_has_its_mail(rig: Rig) -> None:
    now = Figures(1, 1, 1.0, 1, 0, 0, "4.50", 5.0, 5.0)
    report = Weekly("2026-11-23", now, now, [], [])
    assert await rig.stores.weekly.tell("web", report, "report_mail:web")
    assert not await rig.stores.weekly.tell("web", report, "report_mail:web")
    assert await rig.command("ZSCORE", keys.due("app:web"), "report_mail:web")
    await rig.stores.weekly.mailed("web", "somebody")
    assert await rig.stores.weekly.to_mail("web") == (report, {"somebody"})


async def test_an_event_that_is_refused_again_and_again_is_parked_and_told_again_on_demand(rig: Rig) -> None:
    await rig.stores.webhooks.begin(HOOK)
    for sequence in (1, 2):
        await rig.event(sequence)
    refused, other = await rig.taken()
    for tries in range(1, TRIES_OF_REFUSED):
        assert await rig.came(refused, "refused") == ("held", tries)
        assert await rig.command("ZSCORE", OPEN, position(refused.id)) > 0, "it waits, the other does not"
    assert await rig.came(refused, "refused") == ("parked", 0)
    assert await rig.at("parked_in_a_row") == b"1"
    assert await rig.came(other, "told") == ("told", 0)
    assert await rig.at("parked_in_a_row") is None
    assert await rig.taken() == []
    assert await rig.stores.webhooks.replay(HOOK, parked=True) == 1
    assert [event.id for event in await rig.taken()] == [refused.id]


async def test_the_newest_thousand_parked_events_are_kept(rig: Rig) -> None:
    await rig.stores.webhooks.begin(HOOK)
    await rig.event(1)
    (event,) = await rig.taken()
    await rig.command("ZADD", OPEN, *(part for n in range(1000) for part in ("+inf", f"0-{n:04}")))
    assert await rig.came(event, "parked") == ("parked", 0)
    assert await rig.command("ZCARD", OPEN) == 1000
    assert await rig.command("ZSCORE", OPEN, "0-0000") is None


async def test_an_endpoint_is_told_again_from_an_earlier_event_on(rig: Rig) -> None:
    assert await rig.stores.webhooks.replay(HOOK) is None, "no process has begun it"
    await rig.stores.webhooks.begin(HOOK)
    for sequence in (1, 2, 3):
        await rig.event(sequence)
    events = await rig.taken()
    for event in events:
        await rig.came(event, "told")
    assert await rig.came(events[0], "gone") == ("disabled", 0)
    assert await rig.taken() == []
    assert await rig.stores.webhooks.replay(HOOK, start=events[1].id) == 0
    assert await rig.at("disabled") is None
    assert [event.sequence for event in await rig.taken()] == [2, 3]


@pytest.mark.parametrize(
    ("held", "written"), [({"a": "1", "b": "2"}, True), ({"a": "1", "b": "3"}, False), ({"a": "1"}, False), ({}, False)]
)
async def test_all_is_sealed_anew_or_nothing(rig: Rig, held: dict[str, str], written: bool) -> None:
    for field, value in held.items():
        await rig.command("HSET", "{k}", field, value)
    found = await rig.stores.database.run(_RESEAL, ["{k}"], ["a", "1", "one", "b", "2", "two"])
    assert found == written
    left = {field.decode(): value.decode() for field, value in (await rig.command("HGETALL", "{k}")).items()}
    assert left == ({"a": "one", "b": "two"} if written else held)


async def test_what_is_gone_is_not_sealed_anew(rig: Rig) -> None:
    assert not await rig.stores.database.run(_RESEAL, ["{k}"], ["a", "", "one"])
    assert await rig.command("EXISTS", "{k}") == 0
