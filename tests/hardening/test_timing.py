"""How long an answer takes says nothing that the answer does not say (S-11)."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from otp_service import settings
from otp_service.app import create_app, open_service
from tests.api import Api, Gateways
from tests.running import API_KEY, service_environ
from tests.sizes import sized

STRICT = os.environ.get("OTP_TEST_TIMING") == "strict"
"""The whole figure of S-11, for a machine that does nothing else: a rank test sees differences of microseconds."""
CALLS = 5_000 if STRICT else sized(1_500, 800)
"""Of each kind; four kinds make the 20,000."""
FOREIGN = 400
ALPHABET = string.ascii_letters + string.digits + "-_"
ROUNDS = 3
"""Equal times fail p > 0.01 once in a hundred; three rounds in a row, once in a million."""
Call = Callable[[str, bytes], Awaitable[tuple[int, float]]]


@pytest.fixture
async def call(tmp_path: Path, redis_url: str, sandbox_process: str) -> AsyncIterator[Call]:
    """Asks the application in this process: status and seconds, from the scope to the last byte."""
    changed = {"OTP__APPLICATIONS__WEB__MAX_ATTEMPTS": "10", "OTP__REDIS__TIMEOUT_SECONDS": "5"}
    environ = service_environ(tmp_path, redis_url, sandbox_process, **changed)  # Redis as slow as a busy machine
    async with open_service(settings.load(environ), worker=False) as service:
        app = create_app(service)

        async def asked(path: str, body: bytes) -> tuple[int, float]:
            status = 0
            scope: Any = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
                "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
                "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
                "headers": [(b"authorization", b"Bearer " + API_KEY.encode()), (b"content-type", b"application/json"),
                            (b"content-length", b"%d" % len(body))],
            }  # fmt: skip

            async def receive() -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Any) -> None:
                nonlocal status
                status = message.get("status", status)

            began = time.perf_counter()
            await app(scope, receive, send)
            return status, time.perf_counter() - began

        yield asked


def mann_whitney(one: list[float], two: list[float]) -> float:
    """Two-sided p by the normal approximation, which thousands of values allow. Times hardly ever tie."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in two])
    rank_sum = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which == 0)
    n, m = len(one), len(two)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


async def alike(kinds: dict[str, Callable[[], Awaitable[float]]]) -> dict[str, Any]:
    """Measure two kinds in turns, in a drawn order; until they are alike, or what was measured last."""
    found: dict[str, Any] = {}
    for _ in range(ROUNDS):
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(CALLS):
            for name in random.sample(list(kinds), len(kinds)):
                times[name].append(await kinds[name]())
        one, two = times.values()
        medians = statistics.median(one), statistics.median(two)
        found = {"p": mann_whitney(one, two), "apart": abs(medians[0] - medians[1]) / max(medians), "medians": medians}
        if found["apart"] < 0.05 and (found["p"] > 0.01 or not STRICT):
            break
    return found


@pytest.mark.slow
async def test_s11_an_unknown_id_takes_as_long_as_another_application_s(call: Call, other: Api, phone: str) -> None:
    """Another one each time on both sides: what was just asked for is in every cache of the machine."""
    numbers = [f"{phone[:5]}{(int(phone[5:10]) + n) % 100_000:05}20" for n in range(FOREIGN)]
    theirs = [(await other.started(number))["id"] for number in numbers]
    nobody_s = ["".join(random.choices(ALPHABET, k=36)) for _ in range(FOREIGN)]

    async def of(ids: list[str]) -> float:
        status, took = await call(f"/v1/verifications/{random.choice(ids)}/check", b'{"code": "123456"}')
        assert status == 404
        return took

    found = await alike({"theirs": lambda: of(theirs), "nobody's": lambda: of(nobody_s)})
    assert found["apart"] < 0.05, found
    assert not STRICT or found["p"] > 0.01, found


@pytest.mark.slow
async def test_s11_a_code_that_is_nearly_right_takes_as_long_as_any_other(
    call: Call, api: Api, gateways: Gateways, phone: str
) -> None:
    """Five of six digits right against none: the comparison is of hashes, and in constant time."""
    state = {"id": "", "code": "", "left": 0, "n": 0}

    async def attempt(wrong: Callable[[str], str]) -> float:
        if not state["left"]:
            number = f"{phone[:5]}{(int(phone[5:10]) + int(state['n'])) % 100_000:05}20"
            state["n"] = int(state["n"]) + 1
            status, _ = await call("/v1/verifications", json.dumps({"to": number}).encode())
            assert status == 201
            pending = (await api.http.post("/v1/verifications/search", json={"to": number})).json()["verifications"][0]
            state.update(id=pending["id"], code=(await gateways.codes(number))[0], left=8)
        state["left"] = int(state["left"]) - 1
        body = json.dumps({"code": wrong(str(state["code"]))}).encode()
        status, took = await call(f"/v1/verifications/{state['id']}/check", body)
        assert status == 200
        return took

    def nearly(code: str) -> str:
        return code[:-1] + str((int(code[-1]) + 1) % 10)

    def far(code: str) -> str:
        return "".join(str((int(digit) + 5) % 10) for digit in code)

    found = await alike({"nearly": lambda: attempt(nearly), "far": lambda: attempt(far)})
    assert found["apart"] < 0.05, found
    assert not STRICT or found["p"] > 0.01, found
