"""Answers of Redis, with an end to how long one may be: what listens there may be another program, or broken."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import hiredis
from redis._parsers import _AsyncHiredisParser
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

MOST_BYTES = 8 * 1024 * 1024
"""Of one answer. The longest of ours, a page of events or the list of all API keys, stay far below."""
_VAST = re.compile(rb"[*~>%]\d{7,}\r\n")
"""An answer of millions of parts: the parser would make room for all of them at once."""


class BoundedParser(_AsyncHiredisParser):
    """hiredis, which takes what comes. Raises InvalidResponse; the connection is not used after that."""

    __slots__ = ("_left",)

    async def read_response(self, *_: Any, **__: Any) -> Any:
        """The next answer, also if it is an error of the command's. Raises what is one of the connection's."""
        if not self._connected:
            raise RedisConnectionError("closed")
        reader = cast("hiredis.Reader", self._reader)
        self._left = MOST_BYTES
        while (answer := reader.gets()) is NOT_ENOUGH_DATA:
            await self.read_from_socket()
        if isinstance(answer, RedisConnectionError):
            raise answer
        if isinstance(answer, hiredis.PushNotification):
            raise InvalidResponse("a message that nobody asked for")
        return answer

    async def read_from_socket(self) -> bool:
        stream, reader = cast("asyncio.StreamReader", self._stream), cast("hiredis.Reader", self._reader)
        try:
            chunk = await stream.read(self._read_size)
        except OSError as error:
            raise RedisConnectionError(type(error).__name__) from error
        if not chunk:
            raise RedisConnectionError("closed by the server")
        self._left -= len(chunk)
        if self._left < 0 or (not reader.has_data() and _VAST.match(chunk)):
            raise InvalidResponse("longer than any answer of ours")
        reader.feed(chunk)
        return True
