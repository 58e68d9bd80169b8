"""What all processes together know of the gateways: their circuits, balances, and how their messages ended."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script, hash_of

HEARD = 20
ENDS = 100
MOST_GROUPS = 64
"""Of people, of each of which as many times are kept: strangers choose the country."""
LIFE_MS = 7 * 86_400_000
_OBSERVE, _READ, _OPEN, _TRY, _CLOSE, _BALANCE, _TURN = map(
    Script.load,
    (
        "gateway/observe",
        "gateway/read",
        "gateway/open_circuit",
        "gateway/try_circuit",
        "gateway/close_circuit",
        "gateway/note_balance",
        "gateway/take_turn",
    ),
)


class GatewayRecord(Value):
    """circuit: closed, open or half_open. Times are milliseconds of Redis time, 0 for never.

    reason: why the circuit is not closed. probe_at: when it is looked whether it works again. balance: as the provider
    counts, "" where it is not known. heard: of the newest messages, whether a report came in time. ends: of the newest
    messages, milliseconds to their delivery, None where they failed. delays: of the newest that arrived, milliseconds
    by the people's operator, or country where that is not known.
    """

    name: str
    circuit: str = "closed"
    reason: str = ""
    opened_at: int = 0
    probe_at: int = 0
    balance: str = ""
    balance_at: int = 0
    low: bool = False
    heard: Sequence[bool] = ()
    ends: Sequence[int | None] = ()
    delays: Mapping[str, Sequence[int]] = {}


class GatewayStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, names: Sequence[str]) -> dict[str, GatewayRecord]:
        """All of them in one round trip."""
        each = {name: [keys.gateway(name), *_observed(name)] for name in names}
        replies = await self._database.run_many(_READ, [(listed, []) for listed in each.values()], each=True)
        return {
            name: await self._read(name, *asked) for (name, *asked) in zip(names, each.values(), replies, strict=True)
        }

    async def _read(self, name: str, listed: Sequence[str], reply: Any) -> GatewayRecord:
        """As if nothing had happened yet, for what cannot be read: it is set aside."""
        if reply is None:
            return GatewayRecord(name)
        try:
            return _record(name, reply)
        except ValueError:
            await self._database.mend(listed)
            return GatewayRecord(name)

    async def observe(self, name: str, heard: Sequence[bool], ends: Sequence[tuple[str, int | None]]) -> None:
        """Remember whether reports came in time, and how messages ended: with the group of the person."""
        if heard or ends:
            told: list[Argument] = ["1" if each else "0" for each in heard]
            told += ["failed" if end is None else end for _, end in ends]
            told += [part for group, end in ends if end is not None for part in (group, end)]
            args: list[Argument] = [HEARD, ENDS, MOST_GROUPS, LIFE_MS, len(heard), len(ends), *told]
            await self._database.run(_OBSERVE, _observed(name), args)

    async def open_circuit(self, name: str, reason: str, first_seconds: float, longest_seconds: float) -> bool:
        """True if it was closed until now."""
        args: list[Argument] = [name, reason, int(first_seconds * 1000), int(longest_seconds * 1000)]
        return bool(await self._database.run(_OPEN, self._told(name), args))

    async def try_circuit(self, name: str, *, fit: bool, longest_seconds: float) -> bool:
        """The cool-down is over. fit: it may be tried by a real send; else it cools down anew. False: was not open."""
        args = [name, "1" if fit else "0", int(longest_seconds * 1000)]
        return bool(await self._database.run(_TRY, self._told(name)[:2], args))

    async def close_circuit(self, name: str) -> bool:
        """True if it was not closed until now."""
        return bool(await self._database.run(_CLOSE, self._told(name), [name]))

    async def note_balance(self, name: str, balance: str, threshold: str) -> bool:
        """True if it has just fallen below the threshold."""
        return bool(await self._database.run(_BALANCE, self._told(name), [name, balance, threshold]))

    @asynccontextmanager
    async def turn(self, account: str, most: int, seconds: float) -> AsyncIterator[bool]:
        """A turn at a provider account, among all processes; False where `most` others have theirs."""
        name, token = keys.turns(hashlib.sha256(account.encode()).hexdigest()[:16]), secrets.token_hex(8)
        given = bool(await self._database.run(_TURN, [name], [token, most, int(seconds * 1000)]))
        try:
            yield given
        finally:
            if given:
                await self._database.command("ZREM", name, token)

    def _told(self, name: str) -> list[str]:
        return [keys.gateway(name), keys.due(keys.GATEWAYS), keys.outbox(keys.GATEWAYS)]


def _observed(name: str) -> list[str]:
    return [keys.heard(name), keys.ends(name), keys.delays(name)]


def _record(name: str, reply: Any) -> GatewayRecord:
    flat, heard, ends, delays = reply[1]
    found: Mapping[str, str] = {key.decode(): value.decode() for key, value in hash_of(flat).items()}
    return GatewayRecord(
        name,
        found.get("circuit", "closed"),
        found.get("reason", ""),
        int(found.get("opened_at", "0")),
        int(found.get("probe_at", "0")),
        found.get("balance", ""),
        int(found.get("balance_at", "0")),
        "low" in found,
        [each == b"1" for each in heard],
        [None if each == b"failed" else int(each) for each in ends],
        {group.decode(): [int(each) for each in told.split(b",")] for group, told in hash_of(delays).items()},
    )
