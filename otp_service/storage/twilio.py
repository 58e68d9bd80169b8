"""What callers of the Twilio facade made (services, rate limits, webhooks, safe numbers), and its messages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from otp_service.domain.verifications import LIFE_CAP_SECONDS
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of

KNOWN_SECONDS = 1.0
"""So long a process goes by what it read. What it does not find it looks for anew."""
_PUT: Script[words.TwilioPut] = Script.load("twilio/put")
_LIST = Script.load("twilio/list")

_THING = msgspec.json.Decoder(dict[str, Any])

Things = Mapping[str, Mapping[str, Any]]
"""By name: `service:<VA>`, `limit:<VA>:<unique name>`, `bucket:<RK>:<interval>`, `webhook:<VA>:<YW>`, `safe:<GN>`."""


class TwilioStore:
    def __init__(self, database: Database, retention_seconds: int) -> None:
        self._database = database
        self._retention_ms = retention_seconds * 1000
        self._known: dict[str, tuple[float, Things]] = {}

    async def things(self, application: str, *, anew: bool = False) -> Things:
        """All of an application; at most a second old, unless they are read `anew`. Raises Unreadable."""
        read_at, found = self._known.get(application, (0.0, {}))
        if anew or time.monotonic() - read_at > KNOWN_SECONDS:
            key = keys.twilio(application)
            flat = hash_of(await self._database.command("HGETALL", key))
            try:
                found = {name.decode(): _THING.decode(value) for name, value in flat.items()}
            except (ValueError, RecursionError) as error:  # of msgspec, too
                raise await self._database.left(key, "has a part that cannot be read") from error
            self._known[application] = (time.monotonic(), found)
        return found

    async def put(
        self, application: str, name: str, thing: Mapping[str, Any], family: str, most: int, *, new: bool
    ) -> words.TwilioPut:
        mode: words.TwilioPutMode = "new" if new else "known"
        args: list[Argument] = [name, msgspec.json.encode(thing), family, most, mode]
        word = _PUT.word(await self._database.run(_PUT, [keys.twilio(application)], args))
        self._known.pop(application, None)
        return word

    async def drop(self, application: str, *names: str) -> int:
        """How many there were."""
        dropped: int = await self._database.command("HDEL", keys.twilio(application), *names)
        self._known.pop(application, None)
        return dropped

    async def list_verification(self, application: str, verification_id: str, created_at: int) -> None:
        """So that its messages are listed, as long as it is kept. created_at: milliseconds of Redis time."""
        args: list[Argument] = [verification_id, created_at, LIFE_CAP_SECONDS * 1000 + self._retention_ms]
        await self._database.run(_LIST, [keys.twilio_attempts(application)], args)

    async def verifications(self, application: str, since_ms: int, until_ms: int, start: int, count: int) -> list[str]:
        """Ids of a page, newest first, of those made between two moments."""
        name = keys.twilio_attempts(application)
        found = await self._database.command("ZREVRANGEBYSCORE", name, until_ms, since_ms, "LIMIT", start, count)
        return [each.decode() for each in found]
