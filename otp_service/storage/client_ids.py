"""Numbers that a provider uses to recognise a repeat: digits only, never used twice in an account."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict

from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

BLOCK = 50
_DRAW = Script.load("gateway/draw_client_ids")


class ClientIds:
    """Draws ids in blocks, so that most sends ask Redis for none. A block that dies with its process is a gap."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks: dict[str, range] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def draw(self, account: str) -> str:
        """The next id of a provider account: 13 digits for the next centuries."""
        async with self._locks[account]:
            block = self._blocks.get(account)
            if not block:
                name = hashlib.sha256(account.encode()).hexdigest()[:16]
                first = int(await self._database.run(_DRAW, [keys.client_id(name)], [BLOCK]))
                block = range(first, first + BLOCK)
            self._blocks[account] = block[1:]
            return str(block[0])
