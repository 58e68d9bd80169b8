"""The primaries of a Redis Cluster, by slot.

The client of redis-py is not used: it repeats a call whose answer was lost, and its WAIT speaks of a connection that
did not write (docs/adr/0014). What a server says it did not do is sent again: MOVED and ASK to the server that they
name, TRYAGAIN, which a script hears while its slot moves, after a moment (Redis Cluster specification).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from otp_service import settings
from otp_service.errors import SettingsError
from otp_service.settings.redis_url import Address, RedisUrl
from otp_service.storage.topology.server import Call, Reply
from otp_service.storage.topology.servers import Servers
from otp_service.storage.topology.watch import Watch

SLOTS = 16_384
LOOK_SECONDS = 5.0
REDIRECTED_SECONDS = 2.0
TRY_AGAIN_SECONDS = 0.02

log = structlog.get_logger()

Range = tuple[int, int, Address]
"""First and last slot, and the primary that owns them."""


class Cluster:
    def __init__(self, config: settings.Redis, url: RedisUrl) -> None:
        self._seeds = url.hosts
        self._servers = Servers(config, url)
        self._ranges: tuple[Range, ...] = ()
        self._moved: dict[int, Address] = {}
        self._members: frozenset[Address] = frozenset()
        self.watch = Watch(self.look, LOOK_SECONDS)

    async def send(self, calls: Sequence[Call]) -> list[list[Reply]]:
        """Each call goes to the owner of its key; calls for one owner share a round trip."""
        if len(calls) == 1:
            (replies,) = await self._sent(self._owner(calls[0].key), calls)
            return [await self._redirected(calls[0], replies)]
        by_owner: dict[Address | None, list[int]] = {}
        for number, call in enumerate(calls):
            by_owner.setdefault(self._owner(call.key), []).append(number)
        shares = [[calls[number] for number in numbers] for numbers in by_owner.values()]
        answered = await asyncio.gather(*(self._sent(*share) for share in zip(by_owner, shares, strict=True)))
        found: list[list[Reply]] = [[] for _ in calls]
        for numbers, share in zip(by_owner.values(), answered, strict=True):
            for number, replies in zip(numbers, share, strict=True):
                found[number] = replies
        return list(await asyncio.gather(*map(self._redirected, calls, found))) if any(map(_undone, found)) else found

    async def send_everywhere(self, commands: Sequence[Sequence[str | bytes | int]]) -> dict[str, list[Reply]]:
        """The replies of each primary, by its address."""
        owners = sorted({owner for _, _, owner in self._ranges})
        replies = await asyncio.gather(*(self._sent(owner, [Call("", commands)]) for owner in owners))
        return {f"{host}:{port}": found[0] for (host, port), found in zip(owners, replies, strict=True)}

    async def ask_all(self, *words: str) -> dict[str, Reply]:
        """What each server answers, replicas too."""
        members = sorted(self._members)
        replies = await asyncio.gather(*(self._servers.at(each).exchange([Call("", [words])]) for each in members))
        return {f"{host}:{port}": reply for (host, port), ((reply,),) in zip(members, replies, strict=True)}

    def uncovered(self) -> int:
        """How many slots have no primary."""
        return SLOTS - sum(last - first + 1 for first, last, _ in self._ranges)

    async def look(self) -> None:
        """Ask all members for the map and believe most of them. Nothing changes where nobody answers."""
        members = self._members or frozenset(self._seeds)
        maps = Counter(filter(None, await asyncio.gather(*map(self._ask, members))))
        if not maps and self._members:  # all addresses may have changed
            maps = Counter(filter(None, await asyncio.gather(*map(self._ask, self._seeds))))
        if not maps:
            return
        ((ranges, members), _), *_ = maps.most_common(1)
        if ranges != self._ranges:
            log.info("cluster_map_changed", primaries=len({owner for _, _, owner in ranges}))
        self._ranges, self._members, self._moved = ranges, members, {}
        await self._servers.keep({*members, *self._seeds})

    async def refuse_strangers(self) -> None:
        """Raises SettingsError if what answers is no member of a cluster."""
        for seed in self._seeds:
            ((reply,),) = await self._servers.at(seed).exchange([Call("", [("CLUSTER", "SLOTS")])])
            if isinstance(reply, ResponseError) and "cluster support disabled" in str(reply):
                raise SettingsError("redis.url: the servers of redis+cluster:// have no cluster; write redis://")

    async def aclose(self) -> None:
        await self._servers.aclose()

    def _owner(self, key: str) -> Address | None:
        if not key:
            return self._ranges[0][2] if self._ranges else None
        slot = key_slot(key.encode())
        if slot in self._moved:
            return self._moved[slot]
        index = bisect_right(self._ranges, slot, key=lambda found: found[0]) - 1
        return self._ranges[index][2] if index >= 0 and slot <= self._ranges[index][1] else None

    async def _sent(self, owner: Address | None, calls: Sequence[Call]) -> list[list[Reply]]:
        if owner is None:
            self.watch.doubt()
            unknown = ClusterDownError("CLUSTERDOWN no primary is known for the slot")
            return [[unknown] * len(call.commands) for call in calls]
        replies = await self._servers.at(owner).exchange(calls)
        for answered in replies:
            for reply in answered:
                if isinstance(reply, ClusterDownError) or (
                    isinstance(reply, Exception) and not isinstance(reply, ResponseError)
                ):
                    self.watch.doubt()
        return replies

    async def _redirected(self, call: Call, replies: list[Reply]) -> list[Reply]:
        """Follow the servers' directions until one of them does it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REDIRECTED_SECONDS
        while _undone(replies) and loop.time() < deadline:
            (first, *_), asking = replies, False
            owner = self._owner(call.key)
            if isinstance(first, MovedError):
                owner = self._moved[first.slot_id] = (first.host or (owner or ("", 0))[0], first.port)
                self.watch.doubt()
            elif isinstance(first, AskError):
                owner, asking = (first.host or (owner or ("", 0))[0], first.port), True
            else:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            commands = [("ASKING",), *call.commands] if asking else call.commands
            (found,) = await self._sent(owner, [Call(call.key, commands)])
            replies = found[1:] if asking else found
        return replies

    async def _ask(self, member: Address) -> tuple[tuple[Range, ...], frozenset[Address]] | None:
        ((reply,),) = await self._servers.at(member).exchange([Call("", [("CLUSTER", "SLOTS")])])
        return None if isinstance(reply, Exception) or not reply else _read(reply, member)


def _undone(replies: Sequence[Reply]) -> bool:
    """The server has said that it did nothing, and what to do instead."""
    return isinstance(replies[0], AskError | TryAgainError)


def _read(reply: Sequence[Sequence[Any]], asked: Address) -> tuple[tuple[Range, ...], frozenset[Address]]:
    """CLUSTER SLOTS: [first, last, primary, replica, …] each; a server without a name is the one that was asked."""

    def address(server: Sequence[Any]) -> Address:
        host = (server[0] or b"").decode()
        return (asked[0] if host in ("", "?") else host), int(server[1])

    ranges = sorted((int(first), int(last), address(primary)) for first, last, primary, *_ in reply)
    return tuple(ranges), frozenset(address(server) for _, _, *servers in reply for server in servers)
