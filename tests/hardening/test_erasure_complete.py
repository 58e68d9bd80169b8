"""Erasure leaves nothing of a phone, however much there is and whatever is under way (A-11): proved by a dump."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring, Names
from otp_service.storage import keys, unreadable
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Answer, Api, Gateways
from tests.cli.commands import Commands, Result
from tests.running import API_KEY, SECRET, RedisServer, running_service, service_environ

pytestmark = pytest.mark.slow

WIDE = {
    "OTP__LIMITS__PHONE_BURST__QUOTA": "0",
    "OTP__LIMITS__PHONE_DAY__QUOTA": "0",
    "OTP__GUARD__MODE": "off",
    "OTP_LOG_LEVEL": "INFO",
}
NO_EVENTS = {"OTP__RETENTION__EVENTS_SECONDS": "0"}
STAYS = {"otp:fails", "otp:guesses", "otp:audit"}
"""Kinds of keys that may name the phone's index afterwards: docs/security.md, Erasure."""


class Erasing:
    def __init__(self, apis: list[Api], redis: str, erase: Callable[[str], Result]) -> None:
        self.apis, self.redis, self.erase = apis, redis, erase

    async def names(self) -> Names:
        async with Redis.from_url(self.redis, protocol=2) as redis:
            return await load_names(Database(redis), Keyring([SECRET]))

    async def traces(self, phone: str, ids: list[str]) -> dict[str, str]:
        """Keys whose name or value holds one of the ids, the phone's index or the phone itself, with what it was."""
        index = (await self.names()).phone_index("web", phone)
        wanted = [word.encode() for word in (*ids, index, phone, phone[1:])]
        found = {}
        async with Redis.from_url(self.redis, protocol=2) as redis:
            async for name in redis.scan_iter(count=1000):
                text = name + repr(await value(redis, name)).encode()
                for word in wanted:
                    if word in text:
                        found[name.decode()] = word.decode()
        return {name: word for name, word in found.items() if name.split(":{")[0].rsplit(":x", 1)[0] not in STAYS}


async def value(redis: Redis, name: bytes) -> object:
    match await redis.type(name):
        case b"hash":
            return await redis.hgetall(name)
        case b"zset":
            return await redis.zrange(name, 0, -1)
        case b"list":
            return await redis.lrange(name, 0, -1)
        case b"stream":
            return await redis.xrange(name)
        case b"string":
            return await redis.get(name)
    return None


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sandbox_process: str
) -> Iterator[tuple[list[str], str, Callable[[str], Result]]]:
    folder: Path = tmp_path_factory.mktemp("erasing")
    server, commands, environ = RedisServer(folder), Commands(), WIDE | getattr(request, "param", {})
    operators = service_environ(folder, server.url, sandbox_process, **environ)

    def erase(phone: str) -> Result:
        return commands.run("erase", "--application", "web", "--phone", phone, environ=operators, folder=folder)

    try:
        with (
            running_service(folder, server.url, sandbox_process, **environ) as (first, _, _),
            running_service(folder, server.url, sandbox_process, **environ) as (second, _, _),
        ):
            yield [first, second], server.url, erase
    finally:
        commands.close()
        server.kill()


@pytest.fixture
async def erasing(running: tuple[list[str], str, Callable[[str], Result]]) -> AsyncIterator[Erasing]:
    urls, redis, erase = running
    async with AsyncExitStack() as stack:
        yield Erasing([await stack.enter_async_context(Api(url, API_KEY)) for url in urls], redis, erase)


@pytest.mark.parametrize("running", [NO_EVENTS], indirect=True, ids=["no events"])
async def test_a11_more_verifications_than_the_index_remembers(
    erasing: Erasing, gateways: Gateways, phone: str
) -> None:
    ids: list[str] = []
    for n in range(0, 230, 10):
        answers = await asyncio.gather(
            *(erasing.apis[k % 2].start(phone, key=f"many-{k}-{phone}") for k in range(n, n + 10))
        )
        ids += [answer.json()["id"] for answer in answers]
    assert len(set(ids)) == 230
    kept = (await erasing.apis[0].started(f"{phone[:-2]}77"))["id"]

    told = await asyncio.to_thread(erasing.erase, phone)

    assert told.code == 0, told
    assert "230 verifications" in told.out
    assert "230 idempotency records" in told.out
    assert await erasing.traces(phone, ids) == {}
    assert "0 verifications, 0 messages, 0 events" in (await asyncio.to_thread(erasing.erase, phone)).out
    assert (await erasing.apis[1].status(kept)).status_code == 200


@pytest.mark.parametrize("what", ["start", "start again", "resend", "fail-over"])
async def test_a11_a_send_is_under_way(erasing: Erasing, gateways: Gateways, phone: str, what: str) -> None:
    """Its caller hears that the verification is gone, and what the gateway answers is written nowhere."""
    one, two = erasing.apis
    started = (await one.started(phone))["id"] if what == "resend" else ""
    for name in ("password", "xml", "smska"):
        await gateways.fail(name, "latency", seconds=1.6, times=None)
    if what == "fail-over":
        await gateways.fail("password", "status", status=503, times=None)

    async def send() -> Answer:
        if what == "resend":
            return await one.resend(started, key=f"under-way-{phone}")
        return await one.start(phone, key=f"under-way-{phone}" if what == "start again" else "", subject="somebody")

    sending = asyncio.create_task(send())
    await asyncio.sleep(0.4)
    found = (await two.http.post("/v1/verifications/search", json={"to": phone})).json()["verifications"]
    ids = [each["id"] for each in found]
    assert len(ids) == 1
    told = await asyncio.to_thread(erasing.erase, phone)
    assert told.code == 0, told
    assert "1 verifications" in told.out
    answer = await sending
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.text
    assert await erasing.traces(phone, ids) == {}
    assert "0 verifications, 0 messages, 0 events" in (await asyncio.to_thread(erasing.erase, phone)).out


async def test_a11_a_check_is_under_way(erasing: Erasing, gateways: Gateways, phone: str) -> None:
    """Neither its verdict nor the person's list of phones comes back."""
    ids = []
    for n in range(3):
        ids.append((await erasing.apis[n % 2].started(phone, subject=f"person-{n}-{phone[1:]}"))["id"])
        (code, *_) = await gateways.codes(phone)
        erasing_now = asyncio.create_task(asyncio.to_thread(erasing.erase, phone))
        await asyncio.sleep(random.uniform(0, 0.1))
        answer = await erasing.apis[n % 2].check(ids[-1], code)
        assert answer.status_code in (200, 404), answer.text
        assert (await erasing_now).code == 0
        assert await erasing.traces(phone, ids) == {}
        for api in erasing.apis:
            person = (await api.http.get(f"/v1/subjects/person-{n}-{phone[1:]}")).json()
            assert not person.get("phones"), person


async def test_a11_erasing_amid_traffic(erasing: Erasing, gateways: Gateways, phone: str) -> None:
    """Nobody hears 500, and once it is quiet one more run leaves nothing."""
    over = False
    ids: list[str] = []
    statuses: set[int] = set()

    async def caller(api: Api, n: int) -> None:
        while not over:
            answer = await api.start(phone, **({"key": f"amid-{n}-{len(ids)}-{phone}"} if n % 2 else {}))
            statuses.add(answer.status_code)
            if answer.status_code != 201:
                continue
            ids.append(answer.json()["id"])
            for step in (api.resend(ids[-1]), api.check(ids[-1], "000000"), api.status(ids[-1]), api.cancel(ids[-1])):
                statuses.add((await step).status_code)

    callers = [asyncio.create_task(caller(erasing.apis[n % 2], n)) for n in range(6)]
    for _ in range(3):
        assert (await asyncio.to_thread(erasing.erase, phone)).code == 0
    over = True
    await asyncio.gather(*callers)
    assert statuses <= {200, 201, 404, 409, 403, 429}
    await asyncio.to_thread(erasing.erase, phone)
    assert await erasing.traces(phone, ids) == {}


async def test_a11_what_was_set_aside(erasing: Erasing, gateways: Gateways, phone: str) -> None:
    """Keys of the phone of the wrong type, and an event of it that cannot be read, wait for `repair`; no longer."""
    one = erasing.apis[0]
    started, spoilt = [(await one.started(phone))["id"] for _ in range(2)]
    names = await erasing.names()
    partition, index = names.partition(phone), names.phone_index("web", phone)
    async with Redis.from_url(erasing.redis, protocol=2) as redis:
        await redis.delete(keys.phone(partition, index))
        await redis.set(keys.phone(partition, index), f"of another program: {started}")
        await redis.set(keys.verification(partition, spoilt), "of another program")
        event = [b"subject", started.encode(), b"type", b"garbled"]
        database = Database(redis)
        await database.set_aside("event", keys.outbox(str(partition)), "cannot be read", event, b"0-1")
        await one.http.post("/v1/verifications/search", json={"to": phone})
        before = await unreadable.entries(database.topology)
        assert {entry.what for entry in before} == {"key", "event"}
        assert await redis.exists(keys.aside(keys.phone(partition, index)))

        assert (await asyncio.to_thread(erasing.erase, phone)).code == 0

        assert await unreadable.entries(database.topology) == []
        assert not await redis.exists(keys.aside(keys.phone(partition, index)))
    assert await erasing.traces(phone, [started, spoilt]) == {}
