"""Allow and block lists of the pumping guard that operators edit. An entry may be a whole phone, so it is sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from otp_service.domain.keyring import Keyring
from otp_service.domain.limits import ListEntry
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

MOST = 1000
_PUT = Script.load("list/put")

log = structlog.get_logger()


class ListStore:
    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def read(self) -> Sequence[ListEntry]:
        """All entries of both lists. One that cannot be read is passed over: the others hold."""
        found = []
        for name, sealed in (await self._database.command("HGETALL", keys.LISTS)).items():
            try:
                found.append(msgspec.json.decode(self._keyring.open(sealed, _bound(name.decode())), type=ListEntry))
            except (LookupError, ValueError, msgspec.MsgspecError):
                log.warning("list_entry_not_read")
        return found

    async def holds(self, entry_id: str) -> bool:
        """Also where it cannot be read."""
        return await self._database.command("HGET", keys.LISTS, entry_id) is not None

    async def put(self, entry: ListEntry) -> bool:
        """False: the lists are full. One that is there already is replaced."""
        sealed = self._keyring.seal(msgspec.json.encode(entry), _bound(entry.id))
        return bool(await self._database.run(_PUT, [keys.LISTS], [entry.id, sealed, MOST], confirm=True))

    async def drop(self, entry_id: str) -> None:
        await self._database.command("HDEL", keys.LISTS, entry_id)


def _bound(entry_id: str) -> bytes:
    return f"list {entry_id}".encode()
