"""A ledger of money under faults: what left, as the gateways counted it, beside what limits, guard and budget allow.

    python -m tests.chaos.ledger --walks 5000 --seed 1
    python -m tests.chaos.ledger --walks 600 --plant        # with a fault in the service; has to be caught

Callers start and resend at random against two processes: some ask twice with one key, some leave in the middle, some
answer. Gateways take messages and cut the answer, stall, refuse, or stand still altogether; phones are off, so that
fail-overs follow; processes are killed, Redis is frozen. Then every message that left is counted:

- to one phone, in the ten minutes of `phone-burst`: its quota, anew for each right code that may have been judged;
- in one number block where nobody answers: `block_floor` + `row_floor`;
- for money: the budget of the day.

And it must have been worth it: a good part of what is allowed has to have left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.api import Answer, Api, Gateways
from tests.running import (
    API_KEY,
    RedisServer,
    create_key,
    free_port,
    process,
    running_sandbox,
    running_service,
    service_environ,
    wait_for,
)

PRICE = 5
QUOTA, BLOCK = 5, 12 + 4
AT_ONCE = 40
PHONES_OF_BLOCK = 12
SETTINGS = {
    "OTP__GUARD__MODE": "enforce",
    "OTP__GUARD__REGION_FLOOR": "1000000",
    "OTP__APPLICATIONS__WEB__LIMITS": "phone-burst",
    "OTP__APPLICATIONS__POOR__LIMITS": "ip-hour",
    "OTP__APPLICATIONS__POOR__BRAND": "Poor",
    "OTP__APPLICATIONS__POOR__RESEND_PAUSE_SECONDS": "0",
    "OTP__APPLICATIONS__POOR__GUARD": "off",
    "OTP__ROUTES__SMS__FAILOVER_AFTER_SECONDS": "10",
    "OTP__HTTP__MAX_CONNECTIONS": "4096",
    "OTP_LOG_LEVEL": "INFO",
}
FAULTS: tuple[tuple[str, float, Mapping[str, object]], ...] = (
    ("processed_then_reset", 0.25, {}),
    ("cut", 0.1, {}),
    ("processed_then_stall", 0.05, {"seconds": 1.5}),
    ("status", 0.1, {"status": 503, "processed": True}),
    ("status", 0.2, {"status": 404}),
    ("reset", 0.1, {}),
    ("latency", 0.1, {"seconds": 0.5}),
    ("stall", 0.03, {"seconds": 1.5}),
)
"""In this order; each as likely as it says among what those before it left."""
ENDINGS = (45, 45, 45, 45, 3, 4)
"""The last digits of phones: mostly delivered, some reported undelivered or expired, so that others follow."""
PLANT = """
from otp_service.domain import messages
messages._NEVER_LEFT = messages._NEVER_LEFT | {messages.MessageStatus.UNCLEAR}
"""
"""What is unclear counts as not sent, as it did once."""


@dataclass
class Run:
    seed: int
    walks: int
    apis: dict[str, list[Api]]
    gateways: Gateways
    rng: random.Random = field(init=False)
    answers: Counter[str] = field(default_factory=Counter)
    phones: dict[str, list[str]] = field(default_factory=lambda: {"web": [], "poor": []})
    answering: Counter[str] = field(default_factory=Counter)
    """Phones whose right code may have been judged, and how often."""
    started: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    async def walk(self, n: int) -> None:
        """One start, or a resend of an earlier one, by somebody who may be hasty, stubborn or honest."""
        rng = self.rng
        application = "poor" if n % 3 == 0 else "web"
        if self.started and rng.random() < 0.2:
            application, found = rng.choice(self.started)
            await self._asked(application, lambda api, key: api.resend(found, key=key))
            return
        phone = self._phone(application)
        answer = await self._asked(application, lambda api, key: api.start(phone, key=key))
        if answer is not None and answer.status_code == 201:
            found = answer.json()
            self.started.append((application, found["id"]))
            if application == "web" and rng.random() < 0.1:
                await self._submit(found)

    def _phone(self, application: str) -> str:
        """One that was asked for before, or a new one in the block that is filled at the moment."""
        known = self.phones[application]
        if known and self.rng.random() < 0.5:
            return self.rng.choice(known[-60:])
        block, place = divmod(len(known), PHONES_OF_BLOCK)
        ending = self.rng.choice(ENDINGS)
        known.append(f"+7{'903' if application == 'web' else '916'}{block:03}{(place * 7 + 11) % 100:02}{ending:02}")
        return known[-1]

    async def _asked(self, application: str, ask: object) -> Answer | None:
        key = f"key-{self.rng.getrandbits(64):x}" if self.rng.random() < 0.5 else ""
        patience = self.rng.choice((0.15, 0.6, 20, 20, 20))
        left = self.rng.choice((1, 2, 3)) if key else 1
        while left:
            api = self.rng.choice(self.apis[application])
            left -= 1
            try:
                async with asyncio.timeout(patience):
                    answer: Answer = await ask(api, key)  # type: ignore[operator]
            except httpx.ConnectError:  # that process was killed just now
                left += 1
                await asyncio.sleep(0.1)
            except (TimeoutError, httpx.HTTPError) as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.json().get("code", answer.status_code))] += 1
                return answer
        return None

    async def _submit(self, found: Mapping[str, str]) -> None:
        codes = await self.gateways.codes(found["to"])
        if not codes:
            return
        self.answering[found["to"]] += 1
        with contextlib.suppress(httpx.HTTPError):
            await self.rng.choice(self.apis["web"]).check(found["id"], codes[0])

    async def judged(self, budget: int) -> list[str]:
        """What is wrong, in words; and the figures, printed."""
        wrong = []
        left = {phone: len(await self.gateways.messages(phone)) for phone in self.phones["web"]}
        blocks: Counter[str] = Counter()
        for phone, count in left.items():
            blocks[phone[:-4]] += count
            if count > (allowed := QUOTA * (1 + self.answering[phone])):
                wrong.append(f"{count} messages to one phone, {allowed} allowed")
        answered = {phone[:-4] for phone in self.answering}
        wrong += [
            f"{count} messages in one block, {BLOCK} allowed"
            for block, count in blocks.items()
            if block not in answered and count > BLOCK
        ]
        paid = PRICE * sum([len(await self.gateways.messages(phone)) for phone in set(self.phones["poor"])])
        if paid > budget:
            wrong.append(f"{paid} roubles left, {budget} allowed")
        silent = [count for block, count in blocks.items() if block not in answered]
        used = sum(silent) / (BLOCK * max(1, len(silent)))
        print(
            f"seed {self.seed}: {self.walks} walks, {sum(left.values())} messages to {len(left)} phones, most to one"
            f" {max(left.values())}; {used:.0%} of what {len(silent)} silent blocks may have; {paid} of {budget}"
            f" roubles; {dict(self.answers.most_common())}",
            flush=True,
        )
        if not wrong and (paid < 0.5 * budget or used < 0.3):
            wrong.append("too little left to prove anything")
        return wrong


class Servers:
    """Two processes of the service that are killed and come back, a Redis that freezes, gateways that stand still."""

    def __init__(self, folder: Path, redis: RedisServer, sandbox: str, settings: Mapping[str, str]) -> None:
        self._folder, self._redis, self._sandbox = folder, redis, sandbox
        self._settings = settings
        self._ports = [str(free_port()) for _ in range(2)]
        self._living: list[tuple[ExitStack, subprocess.Popen[bytes]]] = []
        self.urls = [f"http://127.0.0.1:{port}" for port in self._ports]

    def start(self) -> None:
        self._living = [self._started(n) for n in range(2)]

    def stop(self) -> None:
        for stack, _ in self._living:
            stack.close()

    def _started(self, n: int) -> tuple[ExitStack, subprocess.Popen[bytes]]:
        stack = ExitStack()
        environ = service_environ(
            self._folder, self._redis.url, self._sandbox, **self._settings, OTP_PORT=self._ports[n]
        )
        config = self._folder / "otp-service.toml"
        config.write_text(re.sub(r"prices = .*", f'prices = {{"*" = "{PRICE}"}}', config.read_text()))
        log = self._folder / f"service-{n}.log"
        child = stack.enter_context(process(["otp_service", "serve"], environ, log))
        wait_for(f"{self.urls[n]}/health/live", child, log, 60)
        return stack, child

    async def trouble(self, rng: random.Random) -> None:
        """Until canceled."""
        while True:
            await asyncio.sleep(rng.uniform(1, 4))
            if rng.random() < 0.5:
                self._redis.freeze()
                await asyncio.sleep(rng.uniform(0.3, 1.5))
                self._redis.thaw()
                continue
            n = rng.randrange(2)
            stack, child = self._living[n]
            child.send_signal(signal.SIGKILL)
            await asyncio.to_thread(stack.close)
            self._living[n] = await asyncio.to_thread(self._started, n)


async def run(folder: Path, walks: int, seed: int, *, plant: bool = False) -> list[str]:
    """One run in an empty folder; what is wrong, in words."""
    budget = max(50, walks // 2) // PRICE * PRICE
    settings = SETTINGS | {"OTP__APPLICATIONS__POOR__BUDGET_PER_DAY": str(budget)}
    if plant:
        (folder / "sitecustomize.py").write_text(PLANT)
        settings |= {"PYTHONPATH": str(folder)}
    (folder / "redis").mkdir()
    redis = RedisServer(folder / "redis")
    try:
        with running_sandbox(folder) as sandbox:
            with running_service(folder, redis.url, sandbox, **SETTINGS):
                key = create_key(folder, redis.url, sandbox, "poor", environ=SETTINGS)
            servers = Servers(folder, redis, sandbox, settings)
            servers.start()
            try:
                return await _run(servers, sandbox, key, walks, seed, budget)
            finally:
                servers.stop()
    finally:
        redis.thaw()
        redis.kill()


async def _run(servers: Servers, sandbox: str, key: str, walks: int, seed: int, budget: int) -> list[str]:
    async with AsyncExitStack() as stack:
        alone = httpx.Limits(max_keepalive_connections=0)  # one that is kept may be closed by the other side just now
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=sandbox, trust_env=False, timeout=60, limits=alone)
        )
        gateways = Gateways(http)
        keys = {"web": API_KEY, "poor": key}
        apis = {
            name: [await stack.enter_async_context(Api(url, secret)) for url in servers.urls]
            for name, secret in keys.items()
        }
        found = Run(seed, walks, apis, gateways)
        await gateways.account(prices={"Россия": PRICE})  # so that what gateways tell corrects nothing
        for fault, probability, details in FAULTS:
            for name in ("password", "xml", "smska"):
                await gateways.fail(name, fault, times=None, probability=probability, **details)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(n: int) -> None:
            async with gate:
                await found.walk(n)

        trouble = asyncio.create_task(servers.trouble(random.Random(seed)))
        try:
            async with asyncio.TaskGroup() as group:
                for n in range(walks):
                    group.create_task(one(n))
            await asyncio.sleep(25)  # fail-overs of the last ones
        finally:
            trouble.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await trouble
        await asyncio.sleep(3)
        return await found.judged(budget)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", action="store_true", help="run with a fault, which has to be caught")
    told = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(run(Path(folder), told.walks, told.seed, plant=told.plant))
    print(
        f"{time.monotonic() - began:.0f} s; " + ("; ".join(dict.fromkeys(wrong)) or "nothing left that was not allowed")
    )
    return int(bool(wrong) != told.plant)


if __name__ == "__main__":
    sys.exit(main())
