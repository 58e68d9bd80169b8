"""A Node process that does one step of a story for each line it reads, and answers with a line."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Node:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, step: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"step": step, **fields}).encode() + b"\n")
        await self._process.stdin.drain()
        found: dict[str, Any] = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 60))
        return found
