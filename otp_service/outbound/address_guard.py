"""Guards connections to addresses that others wrote down, so that nobody reaches our own network through us (SSRF).

A name is resolved once for each connection; every address it has must be allowed; the connection goes to one of
exactly these, whatever the name server says a moment later. The last look is at the address that a socket is made for.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from otp_service.domain.addresses import is_in, is_public
from otp_service.domain.networks import Network

THREADS = 2
"""Of its own, so that a name server that does not answer holds up nobody else's names."""


class RefusedAddressError(OSError):
    """Nothing goes there. Not shown to anybody: `Progress.obstacle` says it."""


class AddressGuard(AbstractResolver):
    """Lets through what is public and, of the rest, what is in `allowed`. public: False for the latter only."""

    def __init__(self, allowed: Sequence[Network], *, public: bool = True) -> None:
        self._allowed = allowed
        self._public = public
        self._threads = ThreadPoolExecutor(THREADS, "names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises RefusedAddressError if one of the addresses is not allowed, OSError if the name has none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        for *_, address in found:
            self.check(str(address[0]))
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check(self, text: str) -> None:
        """Raises RefusedAddressError. The last look is at the address that a socket is made for."""
        address = ip_address(text)
        if not is_in(address, self._allowed) and not (self._public and is_public(address)):
            raise RefusedAddressError("this address is not allowed")
