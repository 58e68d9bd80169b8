"""Who always passes and who is never sent to: the lists of the settings, and those that operators edit beside them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from otp_service.domain import limits
from otp_service.domain.keyring import Names
from otp_service.domain.limits import ListEntry
from otp_service.domain.networks import Network
from otp_service.errors import Refused
from otp_service.settings import Guard
from otp_service.storage.lists import ListStore

REFRESH_SECONDS = 2.0
_PHONES = re.compile(r"\+[0-9]{1,15}")


class Lists:
    """What operators edit acts in every process after `REFRESH_SECONDS`; while Redis is away, what was read last."""

    def __init__(self, settings: Guard, names: Names, store: ListStore) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._take(())

    def blocks(self, e164: str, client_ip: str) -> bool:
        return limits.on_list(self._block, e164, client_ip)

    def allows(self, e164: str, client_ip: str) -> bool:
        return limits.on_list(self._allow, e164, client_ip)

    async def refresh(self) -> float:
        self._take(await self._store.read())
        return REFRESH_SECONDS

    def entry(self, which: str, written: str, by: str) -> ListEntry:
        """What an operator wrote: how phones begin (`+7916123`), or a network. Raises Refused."""
        value = re.sub(r"[\s()-]", "", written) if written.lstrip().startswith("+") else written.strip()
        if not _PHONES.fullmatch(value):
            try:
                value = str(Network.parse(value))
            except ValueError:
                raise Refused(
                    "validation_failed", "Write how phones begin, as +7916123, or a network, as 203.0.113.0/24."
                ) from None
        return ListEntry(self._names.pseudonym(f"{which} list", value), which, value, by, int(time.time() * 1000))

    async def read(self) -> Sequence[ListEntry]:
        found = await self._store.read()
        self._take(found)
        return sorted(found, key=lambda entry: (entry.list, entry.value))

    async def holds(self, entry_id: str) -> bool:
        return await self._store.holds(entry_id)

    async def put(self, entry: ListEntry) -> None:
        """Raises Refused where the lists are full."""
        if not await self._store.put(entry):
            raise Refused("validation_failed", "The lists are full; remove an entry first.")
        await self.refresh()

    async def drop(self, entry_id: str) -> None:
        await self._store.drop(entry_id)
        await self.refresh()

    def _take(self, edited: Sequence[ListEntry]) -> None:
        self._block, self._allow = (
            (*of_settings, *(entry.value for entry in edited if entry.list == which))
            for which, of_settings in (("block", self._settings.block), ("allow", self._settings.allow))
        )
