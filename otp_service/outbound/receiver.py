"""One receiver of webhooks: a POST, and what came back. Its words are not read further than its status."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

from otp_service.domain.value import Value
from otp_service.outbound.address_guard import AddressGuard
from otp_service.outbound.transport import Arriving, NoAnswerError, Progress, Transport, piece

SECONDS = 15.0
CONNECT_SECONDS = 5.0
BODY_SECONDS = 1.0
"""For the rest of an answer whose status is known; it only serves to use the connection again."""
MAX_BODY = 4096
MAX_RETRY_AFTER_SECONDS = 86_400.0


class Answer(Value):
    """status: of HTTP; 0 where there was none, and why: unreachable, name, address, certificate, timeout, broken.

    retry_after: seconds, 0 where it named none.
    """

    status: int = 0
    why: str = ""
    retry_after: float = 0.0

    def __str__(self) -> str:
        return str(self.status or self.why)


class Receiver:
    """Nothing is followed, repeated or decompressed, no proxy of the environment is used; TLS is verified.

    url: as the settings checked it. ssl_context: in place of the system's certificates.
    """

    def __init__(self, url: str, guard: AddressGuard, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._guard = guard
        self._transport = Transport(connect_seconds=CONNECT_SECONDS, guard=guard, ssl_context=ssl_context)

    async def post(self, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> Answer:
        """Never raises for what the receiver does. `seconds` for all of it, at most 5 of them for the connection."""
        progress = Progress()
        try:
            async with asyncio.timeout(seconds):
                answer = await self._transport.request(
                    "POST",
                    self._url,
                    headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **headers},
                    content=body,
                    progress=progress,
                )
        except TimeoutError:
            return Answer(why="timeout" if progress.connected else "unreachable")
        except NoAnswerError:
            return Answer(why="broken" if progress.connected else progress.obstacle or "unreachable")
        try:
            await _pass_over(answer)
        finally:
            answer.close()
        return Answer(answer.status, retry_after=retry_after(answer.headers.get("Retry-After", "")))

    async def close(self) -> None:
        await self._transport.aclose()
        await self._guard.close()


async def _pass_over(answer: Arriving) -> None:
    """Read the rest, within bounds."""
    size = 0
    with suppress(TimeoutError, NoAnswerError):
        async with asyncio.timeout(BODY_SECONDS):
            while size <= MAX_BODY and (chunk := await piece(answer)):
                size += len(chunk)


def retry_after(text: str) -> float:
    """Of a Retry-After header, seconds or a date (RFC 9110 §10.2.3), in seconds: at most 24 h, 0 for nonsense."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = parsedate_to_datetime(text[:40]).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
