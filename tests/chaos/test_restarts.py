"""R-11: processes are stopped, replaced and killed while people sign up."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.api import Api, Gateways
from tests.chaos.balancer import balanced
from tests.running import API_KEY, process, running_service, service_environ, wait_for

pytestmark = pytest.mark.slow
PEOPLE = 6


async def person(api: Api, gateways: Gateways, number: int, stop: asyncio.Event, answers: list[int]) -> None:
    """Signs up again and again; every request has to be answered as if nothing happened."""
    rng = random.Random(number)
    while not stop.is_set():
        phone = f"+7916{rng.randrange(10_000, 100_000)}{20 + number}"
        started = await api.start(phone)
        answers.append(started.status_code)
        code = (await gateways.codes(phone))[0]
        answers.append((await api.status(started.json()["id"])).status_code)
        checked = await api.check(started.json()["id"], code)
        answers.append(checked.status_code if checked.json()["outcome"] == "approved" else 0)
        await asyncio.sleep(rng.uniform(0, 0.1))


async def test_r11_rolling_restart_behind_a_balancer(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways
) -> None:
    delay = {"OTP__SERVICE__STOP_DELAY_SECONDS": "2"}
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(running_service(tmp_path, redis_url, sandbox_process, **delay)) for _ in range(2)
        ]
        backends = [url for url, _, _ in replicas]
        async with balanced(backends) as url, Api(url, API_KEY) as api:
            stop, answers, took = asyncio.Event(), list[int](), list[float]()
            people = [asyncio.create_task(person(api, gateways, n, stop, answers)) for n in range(PEOPLE)]
            for n in range(2):
                await asyncio.sleep(1)
                began = time.monotonic()
                replicas[n][1].send_signal(signal.SIGTERM)
                status = await asyncio.to_thread(replicas[n][1].wait, 20)
                took.append(time.monotonic() - began)
                assert status == 0, replicas[n][2].read_text()[-2000:]
                replacement = running_service(tmp_path, redis_url, sandbox_process, **delay)
                backends[n] = (await asyncio.to_thread(stack.enter_context, replacement))[0]
                await asyncio.sleep(1.5)
            stop.set()
            await asyncio.gather(*people)
        for _, _, log in replicas:
            assert "Traceback" not in log.read_text()
    print(f"R-11: {len(answers)} requests, all answered; the two stops took {took[0]:.1f} s and {took[1]:.1f} s")
    assert set(answers) == {200, 201}
    assert max(took) < 15


async def test_r11_a_request_under_way_is_finished(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Readiness says no at once, new requests are still taken during the delay, and the slow one gets its answer."""
    await gateways.fail("password", "stall")
    await gateways.fail("xml", "latency", seconds=0.8)
    delay = {"OTP__SERVICE__STOP_DELAY_SECONDS": "1"}
    with running_service(tmp_path, redis_url, sandbox_process, **delay) as (url, child, _):
        async with Api(url, API_KEY) as api:
            slow = asyncio.create_task(api.start(phone))
            await asyncio.sleep(0.3)
            child.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            ready = await api.http.get("/health/ready")
            assert (ready.status_code, ready.headers["connection"]) == (503, "close")
            assert (await api.http.get("/health/live")).status_code == 200
            assert (await slow).status_code == 201
        assert await asyncio.to_thread(child.wait, 15) == 0
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient(trust_env=False, verify=False).get(url)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_several_processes_on_one_port(tmp_path: Path, sandbox_process: str, gateways: Gateways) -> None:
    """One dies and is replaced: others go on, the store stays, counters never fall. In the end nothing is left."""
    environ = service_environ(tmp_path, f"embedded:{tmp_path}/data", sandbox_process, OTP_LOG_LEVEL="INFO")
    log, url = tmp_path / "log", f"http://127.0.0.1:{environ['OTP_PORT']}"
    with process(["otp_service", "serve", "--workers", "3"], environ, log) as parent:
        wait_for(f"{url}/health/live", parent, log)
        while '"serving"' not in log.read_text():
            await asyncio.sleep(0.05)
        store, *workers = sorted(children_of(parent.pid))
        async with Api(url, API_KEY) as api:
            stop, answers = asyncio.Event(), list[int]()
            people = [asyncio.create_task(person(api, gateways, n, stop, answers)) for n in range(PEOPLE)]
            await asyncio.sleep(1)
            before = await counted(api)
            stop.set()
            await asyncio.gather(*people)
            os.kill(workers[0], signal.SIGKILL)
            while len(children_of(parent.pid)) < 4 or workers[0] in children_of(parent.pid):
                await asyncio.sleep(0.02)
            await asyncio.sleep(2)
            async with Api(url, API_KEY) as fresh:
                stop.clear()
                people = [asyncio.create_task(person(fresh, gateways, n + 10, stop, answers)) for n in range(PEOPLE)]
                await asyncio.sleep(1)
                stop.set()
                await asyncio.gather(*people)
                assert await counted(fresh) >= before + PEOPLE
                assert await counted(fresh) == answers.count(201)
        assert set(answers) == {200, 201}
        assert store in children_of(parent.pid)
        assert re.search(r'"place":\d,"exit_status":-9', log.read_text())
        everybody = children_of(parent.pid)
        parent.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(parent.wait, 15) == 0
    assert not any(Path(f"/proc/{pid}/stat").exists() for pid in everybody)
    assert "Traceback" not in log.read_text()


async def counted(api: Api) -> int:
    """Starts, as the metrics of all processes together tell."""
    page = (await api.http.get("/metrics")).text
    found = re.findall(r'^otp_verifications_total\{application="web",result="sent"\} (\S+)', page, re.MULTILINE)
    return int(float(found[0])) if found else 0


async def gauges(api: Api, name: str) -> dict[str, float]:
    """By the place of the process."""
    page = (await api.http.get("/metrics")).text
    return {place: float(value) for place, value in re.findall(rf'^{name}\{{pid="(\d+)"\}} (\S+)$', page, re.MULTILINE)}


async def test_p11_several_processes_tell_the_truth(tmp_path: Path, sandbox_process: str) -> None:
    """Each has its own free places and its own worker; one that stands still is seen by whoever asks another."""
    environ = service_environ(tmp_path, f"embedded:{tmp_path}/data", sandbox_process, OTP_LOG_LEVEL="INFO")
    log, url = tmp_path / "log", f"http://127.0.0.1:{environ['OTP_PORT']}"
    with process(["otp_service", "serve", "--workers", "3"], environ, log) as parent:
        while '"serving"' not in log.read_text():
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)  # each tells once a second
        async with Api(url, API_KEY) as api:
            free = await gauges(api, "otp_hash_places_free")
            assert sorted(free) == ["0", "1", "2"]
            assert len(set(free.values())) == 1
            assert min(free.values()) > 0
            assert max((await gauges(api, "otp_worker_last_round_seconds")).values()) < 5
        workers = [pid for pid in children_of(parent.pid) if b"child" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGSTOP)
        try:
            await asyncio.sleep(6)
            ages = await gauges_of_whoever_answers(url)
        finally:
            os.kill(workers[0], signal.SIGCONT)
    assert len(ages) == 3
    assert sorted(age > 5 for age in ages.values()) == [False, False, True], ages


async def gauges_of_whoever_answers(url: str) -> dict[str, float]:
    """Connections that wait for the process that stands still are left alone."""
    for _ in range(20):
        async with Api(url, API_KEY) as api:
            try:
                async with asyncio.timeout(1):
                    return await gauges(api, "otp_worker_last_round_seconds")
            except TimeoutError:
                continue
    raise AssertionError("nobody answered")
