"""What a start costs through the Twilio facade, beside a native one: processor time of the service, in turns.

    .venv/bin/python -m benchmarks.facade [--rounds 12] [--starts 150]

Each round makes so many starts natively and so many through the facade, each for a phone of its own, over one kept
connection; which goes first changes from round to round. Prints the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from otp_service.storage.embedded import embedded_server
from tests.running import API_KEY, running_sandbox, running_service

WANTED = 1.15
TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Processor time of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--starts", type=int, default=150)
    options = parser.parse_args()
    # Endings that mean nothing to the sandbox.
    numbers = (
        f"{number:05}{random.randrange(12, 20)}"
        for number in random.sample(range(10_000, 100_000), 2 * (options.rounds + 1) * options.starts)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet = {"OTP_LOG_LEVEL": "WARNING", "OTP__GUARD__MODE": "shadow"}
        async with embedded_server(folder / "redis") as redis:
            with (
                running_sandbox(folder) as sandbox,
                running_service(folder, redis, sandbox, **quiet) as (url, process, _),
            ):
                limits = httpx.Limits(max_connections=1)
                async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:

                    async def native() -> None:
                        answer = await http.post(
                            "/v1/verifications",
                            json={"to": f"+7916{next(numbers)}"},
                            headers={"Authorization": f"Bearer {API_KEY}"},
                        )
                        assert answer.status_code == 201, answer.text

                    async def facade() -> None:
                        answer = await http.post(
                            "/twilio/v2/Services/web/Verifications",
                            data={"To": f"+7916{next(numbers)}", "Channel": "sms"},
                            auth=("me", API_KEY),
                        )
                        assert answer.status_code == 201, answer.text

                    async def cost(start: Callable[[], Awaitable[None]]) -> float:
                        began = seconds_of(process.pid)
                        for _ in range(options.starts):
                            await start()
                        return (seconds_of(process.pid) - began) / options.starts * 1000

                    await cost(native), await cost(facade)  # warm
                    ratios, natives, facades = [], [], []
                    for number in range(options.rounds):
                        first, second = (native, facade) if number % 2 else (facade, native)
                        one, other = await cost(first), await cost(second)
                        by_native, by_facade = (one, other) if first is native else (other, one)
                        natives.append(by_native)
                        facades.append(by_facade)
                        ratios.append(by_facade / by_native)
    found = statistics.median(ratios)
    told = f"native {statistics.median(natives):.2f} ms, facade {statistics.median(facades):.2f} ms of processor time"
    print(f"{told} a start; ratio {found:.3f} (at most {WANTED}), rounds {min(ratios):.2f} to {max(ratios):.2f}")
    return 0 if found <= WANTED else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
