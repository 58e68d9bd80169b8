"""The primary that Sentinels name.

All of them are asked, and the one with the newest configuration is believed: a Sentinel that was cut off goes on
naming the old primary (Redis, "Redis Sentinel documentation", configuration epochs).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otp_service import settings
from otp_service.errors import SettingsError
from otp_service.settings.redis_url import Address, RedisUrl
from otp_service.storage.topology.server import Call, Reply, Server
from otp_service.storage.topology.servers import Servers
from otp_service.storage.topology.watch import Watch

LOOK_SECONDS = 1.0
"""A primary that was replaced behind a partition may still answer us, so its name is asked for all the time."""
_DOUBTFUL = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError, ReadOnlyError, MasterDownError)

log = structlog.get_logger()


class Sentinels:
    def __init__(self, config: settings.Redis, url: RedisUrl) -> None:
        self._url = url
        self._sentinels = [Server.at(config, url.of_sentinel(address), connections=2) for address in url.hosts]
        self._servers = Servers(config, url)
        self._primary: Address | None = None
        self.watch = Watch(self.look, LOOK_SECONDS)

    async def send(self, calls: Sequence[Call]) -> list[list[Reply]]:
        if self._primary is None:
            self.watch.doubt()
            unknown = MasterDownError("MASTERDOWN no sentinel names a primary")
            return [[unknown] * len(call.commands) for call in calls]
        replies = await self._servers.at(self._primary).exchange(calls)
        if any(isinstance(reply, _DOUBTFUL) for answered in replies for reply in answered):
            self.watch.doubt()
        return replies

    async def send_everywhere(self, commands: Sequence[Sequence[str | bytes | int]]) -> dict[str, list[Reply]]:
        """The replies of the primary, by its address."""
        (replies,) = await self.send([Call("", commands)])
        return {_shown(self._primary): replies}

    async def ask_all(self, *words: str) -> dict[str, Reply]:
        """What each server answers, replicas too."""
        members = {self._primary} if self._primary else set()
        for sentinel in self._sentinels:
            ((reply,),) = await sentinel.exchange([Call("", [("SENTINEL", "REPLICAS", self._url.service)])])
            if not isinstance(reply, Exception):
                replicas = [dict(_pairs(fields)) for fields in reply]
                members |= {(replica["ip"], int(replica["port"])) for replica in replicas}
                break
        servers = {member: self._servers.at(member) for member in members}
        replies = await asyncio.gather(*(server.exchange([Call("", [words])]) for server in servers.values()))
        return {_shown(member): reply for member, ((reply,),) in zip(servers, replies, strict=True)}

    async def look(self) -> None:
        """Ask the Sentinels for the primary. Nothing changes where none of them answers."""
        asked = await asyncio.gather(*(self._ask(sentinel) for sentinel in self._sentinels))
        named = max(filter(None, asked), default=None)
        if named and named[1] != self._primary:
            if self._primary:
                log.warning("primary_changed", old=_shown(self._primary), new=_shown(named[1]))
            self._primary = named[1]
        await self._servers.keep([self._primary] if self._primary else [])

    async def refuse_strangers(self) -> None:
        """Raises SettingsError if what answers is no Sentinel, or knows another primary only."""
        for sentinel in self._sentinels:
            ((reply,),) = await sentinel.exchange([Call("", [("SENTINEL", "MASTERS")])])
            if isinstance(reply, ResponseError):
                raise SettingsError("redis.url: the servers of redis+sentinel:// are no Sentinels; mind their port")
            if not isinstance(reply, Exception):
                known = [dict(_pairs(fields)).get("name", "") for fields in reply]
                if self._url.service not in known:
                    raise SettingsError(
                        f"redis.url: the Sentinels know no primary {self._url.service!r}; they know: {', '.join(known)}"
                    )

    async def aclose(self) -> None:
        for sentinel in self._sentinels:
            await sentinel.aclose()
        await self._servers.aclose()

    async def _ask(self, sentinel: Server) -> tuple[int, Address] | None:
        """Epoch and address. In the middle of a failover MASTER still has the old address beside the new epoch."""
        questions = [("SENTINEL", word, self._url.service) for word in ("MASTER", "GET-MASTER-ADDR-BY-NAME")]
        ((state, named),) = await sentinel.exchange([Call("", questions)])
        if isinstance(state, Exception) or isinstance(named, Exception) or named is None:
            return None
        return int(dict(_pairs(state))["config-epoch"]), (named[0].decode(), int(named[1]))


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, str]]:
    words = [word.decode() for word in flat]
    return list(zip(words[::2], words[1::2], strict=True))


def _shown(address: Address | None) -> str:
    return f"{address[0]}:{address[1]}" if address else ""
