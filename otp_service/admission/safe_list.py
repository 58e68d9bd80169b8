"""Phones that callers of the Twilio facade put on the safe list: a part of `guard.allow` that changes at run time."""

from __future__ import annotations

import base64

from otp_service.domain import sids
from otp_service.domain.keyring import Keyring, Names
from otp_service.errors import Unreadable
from otp_service.storage.twilio import TwilioStore

FAMILY = "safe:"
MOST = 1000


class SafeList:
    def __init__(self, store: TwilioStore, names: Names, keyring: Keyring) -> None:
        self._store = store
        self._names = names
        self._keyring = keyring

    def sid(self, application: str, e164: str) -> str:
        return sids.keyed("GN", self._names, application, e164)

    async def holds(self, application: str, e164: str, *, anew: bool = False) -> bool:
        """Whether the guard lets the phone pass; no list that cannot be read does. Raises StorageUnavailable."""
        try:
            things = await self._store.things(application, anew=anew)
        except Unreadable:
            return False
        return bool(things) and FAMILY + self.sid(application, e164) in things  # nearly always there are none

    async def add(self, application: str, e164: str) -> bool:
        """False: it is full. A phone that is on it already stays there."""
        sid = self.sid(application, e164)
        sealed = base64.b64encode(self._keyring.seal(e164.encode(), sid.encode())).decode()
        word = await self._store.put(application, FAMILY + sid, {"sid": sid, "phone": sealed}, FAMILY, MOST, new=True)
        return word != "full"

    async def remove(self, application: str, e164: str) -> None:
        await self._store.drop(application, FAMILY + self.sid(application, e164))
