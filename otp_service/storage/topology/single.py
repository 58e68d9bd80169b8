"""One server, or one address in front of several."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.storage.topology.server import Call, Reply, Server


class Single:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def send(self, calls: Sequence[Call]) -> list[list[Reply]]:
        return await self._server.exchange(calls)

    async def send_everywhere(self, commands: Sequence[Sequence[str | bytes | int]]) -> dict[str, list[Reply]]:
        """The replies of each primary, by its address."""
        (replies,) = await self._server.exchange([Call("", commands)])
        return {"": replies}

    async def ask_all(self, *words: str) -> dict[str, Reply]:
        """What each server answers, replicas too."""
        return {address: reply for address, (reply,) in (await self.send_everywhere([words])).items()}
