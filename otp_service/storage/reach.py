"""Which channels did not reach a phone, in Redis: remembered in the slot of the phone, under its keyed name."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service.domain.keyring import Names
from otp_service.domain.reach import FORGOTTEN_MS, HOLDS_MS, PROVED_HOLDS_MS, Unreached
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of
from otp_service.storage.records import Answered, Records, Stored

WORDS = ("times", "since", "until")
_PASS_OVER: Script[words.PassOver] = Script.load("verification/pass_over")
_READ = Script.load("reach/read")


class ReachStore:
    def __init__(self, records: Records, database: Database, names: Names) -> None:
        self._records = records
        self._database = database
        self._names = names

    async def read(self, application: str, phone: str) -> tuple[Mapping[str, Unreached], int]:
        """By channel, and Redis time in milliseconds. Nothing where what is there cannot be read: it is set aside."""
        name = keys.unreached(self._names.partition(phone), self._names.phone_index(application, phone))
        (reply,) = await self._database.run_many(_READ, [([name], [])], each=True)
        if reply is None:
            return {}, 0
        now, flat = reply
        found = {}
        try:
            fields = {field.decode(): value for field, value in hash_of(flat).items()}
            for channel in [field.removesuffix(":until") for field in fields if field.endswith(":until")]:
                times, since, until = (int(fields.get(f"{channel}:{what}", b"0")) for what in WORDS)
                found[channel] = Unreached(times, since, until)
        except ValueError:
            await self._database.mend([name])
        return found, int(now)

    async def pass_over(self, stored: Stored, channel: str, *, last: bool) -> Answered[words.PassOver]:
        """Send nothing more by a channel that did not reach the person, and remember it of the phone.

        channel: '' where that is not known. last: no gateway has its turn any more.
        """
        found = stored.verification
        key = self._records.key_names(found.id)
        args: list[Argument] = [
            found.id,
            channel,
            "1" if last else "",
            ",".join(map(str, HOLDS_MS)),
            ",".join(map(str, PROVED_HOLDS_MS)),
            FORGOTTEN_MS,
        ]
        names = [key.verification, key.due, key.unreached, key.proved]
        return await self._records.run(_PASS_OVER, found.id, names, args)

    async def forget(self, verification_id: str, channel: str) -> None:
        """Something arrived by this channel."""
        fields = [f"{channel}:{what}" for what in WORDS]
        await self._database.command("HDEL", self._records.key_names(verification_id).unreached, *fields)
