"""A flood of checks from a process of its own, so that it does not slow down who measures.

python -m tests.hardening.flooding URL SECONDS ID…          prints how many answers had which status
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter

from tests.api import Api


async def flood(url: str, key: str, seconds: float, ids: list[str]) -> Counter[int]:
    """Everybody at once, and again when they are told to."""
    answers: Counter[int] = Counter()
    until = time.monotonic() + seconds

    async def one(api: Api, verification: str) -> None:
        await asyncio.sleep(random.random())
        while time.monotonic() < until:
            answer = await api.check(verification, "000000")
            answers[answer.status_code] += 1
            if answer.status_code == 503:
                await asyncio.sleep(int(answer.headers["retry-after"]))

    async with Api(url, key) as api:
        await asyncio.gather(*(one(api, verification) for verification in ids))
    return answers


if __name__ == "__main__":
    url, key, seconds, *ids = sys.argv[1:]
    for status, count in asyncio.run(flood(url, key, float(seconds), ids)).items():
        print(status, count)
