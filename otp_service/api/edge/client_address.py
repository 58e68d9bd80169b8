"""Whose request this is, as far as addresses tell: the peer, or whom a trusted proxy names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from litestar.types import Scope

from otp_service.domain.networks import Address, Network, address

FARTHEST_HOP = 32
"""Proxies in a row that are believed; what is before them was written by anybody."""
_STATE = "client_address"
_read = lru_cache(256)(address)
"""Of peers and proxies: a few of them ask again and again."""


def client_address(scope: Scope) -> Address | None:
    """The caller's address under the rule for trusted proxies; None over a Unix socket.

    It is personal data where callers are people: use it, never log it.
    """
    return cast("Address | None", scope["state"].get(_STATE))


def find_client_address(scope: Scope, trusted: Sequence[Network]) -> None:
    """Work it out, once, in the outermost layer.

    The rightmost address of X-Forwarded-For that is not a trusted proxy: each proxy appends whom it heard from, so
    what stands left of that one was written by the caller. An entry that is no address ends the search at the proxy
    that wrote it. A peer that is not trusted is the caller, whatever it says. Who may open our Unix socket is trusted.
    """
    client = scope.get("client")
    found = _read(client[0]) if client else None
    if is_trusted_peer(scope, trusted):
        found = _behind(found, _hops(scope), trusted)
    scope.setdefault("state", {})[_STATE] = found


def is_trusted_peer(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether what the peer says of others is believed: a proxy of the settings, or who may open our Unix socket."""
    client, server = scope.get("client"), scope.get("server")
    if client is None:
        return server is not None and server[1] is None
    found = _read(client[0]) if trusted else None
    return found is not None and any(found in network for network in trusted)


def _behind(proxy: Address | None, hops: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    for hop in reversed(hops[-FARTHEST_HOP:]):
        named = address(_without_port(hop))
        if named is None:
            return proxy
        proxy = named
        if not any(named in network for network in trusted):
            break
    return proxy


def _hops(scope: Scope) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return ",".join(lines).split(",") if lines else []


def _without_port(hop: str) -> str:
    """Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    hop = hop.strip()
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
