"""A simulated day of SMS pumping beside normal traffic: what reaches the attacker, and who else is asked or refused.

    python -m benchmarks.pumping                        # the bar: untouched settings, three attacks, ten seeds
    python -m benchmarks.pumping --attack row --mode enforce --mode shadow --seeds 1

Real processes: two services, the sandbox, and a Valkey whose clock is moved by libfaketime together with the sandbox's,
so that a day takes about a minute. Beside each attack 1,200 people sign up and sign in: 40 to 70 % (it changes from
hour to hour) submit the right code, the others never do; some ask twice; a tenth were proved before; one in twenty has
a number in the block of the row, though not in the row. Half come from eight addresses of operators, half from their
own. Who is challenged passes it and asks again. Nobody of the attackers answers, or passes a challenge:

    row      2,000 starts through the day for numbers in a row, from 200 addresses
    spread   400 starts in a quarter of an hour, each for another number block and from another network
    slow     the same 400 through the whole day
    near     the same in a quarter of an hour, but from the networks of the people themselves: shown, with no bar
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from benchmarks.delivery.world import ACCOUNTS
from tests.api import Answer, Api, Gateways
from tests.clock import Clock, FakedServer, faked_server
from tests.running import API_KEY, process, running_sandbox, service_environ, wait_for

BLOCK = "+7958123"
STEPS = 96
"""Of a day, a quarter of an hour each."""
AT_ONCE = 8
PRICE = 4.5
"""Roubles for one SMS."""
MODES = ("auto", "enforce", "shadow", "off")
ATTACKS = {"row": 20, "spread": 200, "slow": 200, "near": None}
"""The most SMS that an attack may get, as shipped."""
CHALLENGED = 0.005
"""The largest share of what people ask for that may be challenged, as shipped."""
LOOK_SECONDS = 40
"""After the starts of each step, so that fail-overs come while the codes live."""


@dataclass(frozen=True)
class Start:
    """Of an attacker, or of a person who will submit the right code or not."""

    phone: str
    ip: str
    attacker: bool = False
    answers: bool = False
    returning: bool = False


@dataclass
class Day:
    """What a day came to. sms: that the sandbox took for the attacker, fail-overs and all."""

    attack: str
    mode: str
    seed: int = 0
    sms: int = 0
    challenged_people: int = 0
    seconds: float = 0.0
    attacker: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    report: dict[str, Any] = field(default_factory=dict)
    refused_people: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """Sends that people wanted."""
        return self.people["201"] + len(self.refused_people)


def a_day(seed: int, attack: str, attacks: int, people: int) -> list[list[Start]]:
    """Who starts in each step. The same for the same seed, whatever the mode."""
    rng = random.Random(seed)
    steps: list[list[Start]] = [[] for _ in range(STEPS)]
    for n, start in enumerate(_attack(rng, attack, attacks)):
        at_once = attack in ("spread", "near")
        steps[STEPS // 2 if at_once else n * STEPS // attacks].append(start)
    operators = [f"100.64.{n}.1" for n in range(8)]
    seen: list[str] = []
    for n in range(people):
        hour = n * 24 // people
        conversion = 0.4 + 0.3 * ((hour * 7) % 24) / 23
        returning = bool(seen) and rng.random() < 0.1
        if returning:
            phone = rng.choice(seen)
        elif rng.random() < 0.05:
            phone = f"{BLOCK}{rng.choice([rng.randrange(1_500), rng.randrange(9_200, 10_000)]):04}"
        else:
            phone = f"+79{rng.choice('0136')}{rng.randrange(1, 10)}{rng.randrange(1_000_000):06}{rng.randrange(2, 6)}"
            phone = phone[:12]
        shared = rng.random() < 0.5
        ip = rng.choice(operators) if shared else _own_address(rng)
        answers = rng.random() < conversion
        if answers:
            seen.append(phone)
        where = n * STEPS // people
        steps[where].append(Start(phone, ip, answers=answers, returning=returning))
        if not answers and rng.random() < 0.3:
            steps[min(where + 1, STEPS - 1)].append(Start(phone, ip))  # asks once more, and gives up
    for step in steps:
        rng.shuffle(step)
    return steps


def _attack(rng: random.Random, attack: str, attacks: int) -> Iterator[Start]:
    first = rng.randrange(2_000, 7_000)
    proxies = [f"198.51.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(200)]
    blocks, networks = rng.sample(range(1_000), attacks % 1_000), rng.sample(range(30 * 256, 90 * 256), attacks)
    for n in range(attacks):
        if attack == "row":
            yield Start(f"{BLOCK}{(first + n) % 10_000:04}", rng.choice(proxies), attacker=True)
            continue
        number = f"+7{rng.choice(('903', '916', '925', '961'))}{blocks[n]:03}{rng.randrange(100):02}{20 + n % 80:02}"
        network = f"{networks[n] // 256}.{networks[n] % 256}"
        ip = _own_address(rng) if attack == "near" else f"{network}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        yield Start(number, ip, attacker=True)


def _own_address(rng: random.Random) -> str:
    """Of a person at home: all have one provider."""
    return f"203.0.{rng.randrange(256)}.{rng.randrange(1, 255)}"


async def answered(api: Api, path: str, body: dict[str, Any]) -> Answer:
    """As callers ask: the same once more while they hear 503, which on a busy machine is no refusal of anybody."""
    key = secrets.token_hex(8)
    for _ in range(20):
        answer = await api.post(path, body, key)
        if answer.status_code not in (409, 503):
            break
        await asyncio.sleep(0.5)
    return answer


async def live(day: Day, steps: list[list[Start]], clock: Clock, apis: list[Api], gateways: Gateways) -> None:
    """One day, by the clocks of Redis and of the sandbox."""
    began = time.monotonic()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(start: Start) -> None:
        async with places:
            api = random.choice(apis)
            answer = await answered(api, "/v1/verifications", {"to": start.phone, "client": {"ip": start.ip}})
            whose = day.attacker if start.attacker else day.people
            if not start.attacker and answer.status_code == 403 and answer.json()["code"] == "challenge_required":
                day.challenged_people += 1
                client = {"ip": start.ip, "challenge_passed": True}
                answer = await answered(api, "/v1/verifications", {"to": start.phone, "client": client})
            whose[str(answer.status_code)] += 1
            if start.attacker or answer.status_code == 422:
                return
            if answer.status_code == 429 and answer.json()["code"] == "too_soon":
                return  # the pause of a phone that was asked for a moment ago
            if answer.status_code != 201:
                day.refused_people.append(f"{start.phone} {answer.json().get('code')} {answer.json().get('reasons')}")
            elif start.answers:
                codes = await gateways.codes(start.phone)
                check = f"/v1/verifications/{answer.json()['id']}/check"
                whose[(await answered(api, check, {"code": codes[0]})).json()["outcome"]] += 1

    async def passes(seconds: float) -> None:
        clock.move(seconds=seconds)
        assert (await gateways.http.post("/_sim/clock/advance", json={"seconds": seconds})).status_code == 200

    for step in steps:
        await asyncio.gather(*(one(start) for start in step))
        await passes(LOOK_SECONDS)
        await asyncio.sleep(0.1)
        await passes(24 * 3600 / STEPS - LOOK_SECONDS)
    of_attacker = {start.phone for step in steps for start in step if start.attacker}
    of_attacker -= {start.phone for step in steps for start in step if not start.attacker}
    day.sms = sum([len(await gateways.messages(phone)) for phone in sorted(of_attacker)])
    day.report = (await apis[0].http.get("/v1/fraud")).json()
    day.seconds = time.monotonic() - began


@contextmanager
def running(folder: Path, mode: str) -> Iterator[tuple[FakedServer, list[str], str]]:
    """One brand-new installation, as shipped but for the mode ('' for the shipped one)."""
    folder.mkdir(parents=True)
    with faked_server(folder / "redis") as server, running_sandbox(folder) as sandbox, ExitStack() as stack:
        urls = []
        for _ in range(2):
            environ = service_environ(folder, server.url, sandbox, OTP_LOG_LEVEL="WARNING")
            (folder / "otp-service.toml").write_text(settings(server.url, sandbox, mode))
            log = folder / f"service-{environ['OTP_PORT']}.log"
            child = stack.enter_context(process(["otp_service", "serve"], environ, log))
            urls.append(f"http://127.0.0.1:{environ['OTP_PORT']}")
            wait_for(f"{urls[-1]}/health/live", child, log, 60)
        yield server, urls, sandbox


def settings(redis: str, sandbox: str, mode: str) -> str:
    lines = ["[service]", 'secret = "env:TEST_SECRET"', "[redis]", f'url = "{redis}"']
    for name, account in ACCOUNTS.items():
        lines += [f"[gateways.{name}]", f'kind = "{name}"', f'base_url = "{sandbox}"', account]
        lines += [f'state_base_url = "{sandbox}"'] if name == "targetsms-password" else []
    lines += ["[routes.sms]", f"gateways = {list(ACCOUNTS)}", "[applications.web]", 'brand = "Example"']
    return "\n".join([*lines, *(["[guard]", f'mode = "{mode}"'] if mode else [])])


async def simulate(
    folder: Path, mode: str, seed: int, attacks: int | None = None, people: int = 1_200, attack: str = "row"
) -> Day:
    """`folder` must not exist. mode: one of MODES, '' for the shipped one; `off` leaves the shipped limits."""
    attacks = attacks or (2_000 if attack == "row" else 400)
    day = Day(attack, mode or "as shipped", seed)
    with running(folder, mode) as (server, urls, sandbox):
        async with AsyncExitStack() as stack:
            apis = [await stack.enter_async_context(Api(url, API_KEY)) for url in urls]
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox, trust_env=False, timeout=30))
            await live(day, a_day(seed, attack, attacks, people), server.clock, apis, Gateways(http))
    return day


def told(day: Day) -> str:
    found = day.report["found"]
    values = ", ".join(f"{one['value']} by {one['reason']}" for one in found if one["value"]) or "none"
    total = day.report["total"]
    return (
        f"{day.attack:6} {day.mode:10} seed {day.seed}: to the attacker {day.sms:5} SMS = {day.sms * PRICE:8.2f} RUB; "
        f"people: {day.people['201']} sent, {day.people['approved']} approved, {len(day.refused_people)} refused, "
        f"{day.challenged_people} challenged ({day.challenged_people / day.asked:.2%}); found: {values}; refused "
        f"{total['refused']}, challenged {total['challenged']}, would have {total['would_refuse']}, of these were "
        f"people {total['converted']}; {day.seconds:.0f} s"
    )


def missed(day: Day) -> list[str]:
    """What of the bar a day as shipped does not hold."""
    most = ATTACKS[day.attack]
    wrong = [f"{day.sms} SMS to the attacker, {most} allowed"] if most is not None and day.sms > most else []
    if most is not None and day.challenged_people > CHALLENGED * day.asked:
        wrong.append(f"{day.challenged_people} of {day.asked} sends of people challenged")
    return wrong + [f"refused: {refused}" for refused in day.refused_people]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", "--seed", type=int, default=1)
    parser.add_argument("--attack", choices=ATTACKS, action="append", help="row, spread and slow if none is given")
    parser.add_argument("--people", type=int, default=1_200)
    parser.add_argument("--mode", choices=MODES, action="append", help="as shipped if none is given")
    arguments = parser.parse_args()
    days = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            for attack, mode in product(arguments.attack or ("row", "spread", "slow"), arguments.mode or ("",)):
                place = Path(folder) / f"{seed}-{attack}-{mode}"
                day = asyncio.run(simulate(place, mode, seed, None, arguments.people, attack))
                days.append(day)
                print(told(day), flush=True)
                for wrong in missed(day):
                    print(f"         {wrong}", flush=True)
    for attack, mode in dict.fromkeys((day.attack, day.mode) for day in days):
        these = [day for day in days if (day.attack, day.mode) == (attack, mode)]
        sms, shares = [day.sms for day in these], [day.challenged_people / day.asked for day in these]
        print(
            f"{attack}, {mode}, {len(these)} seeds: {min(sms)} to {max(sms)} SMS, at most {max(shares):.2%} of what"
            f" people ask for challenged, {sum(len(day.refused_people) for day in these)} refused"
        )
    return int(any(missed(day) for day in days if day.mode == "as shipped"))


if __name__ == "__main__":
    sys.exit(main())
