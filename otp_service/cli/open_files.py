"""How many connections the limit on open files (`ulimit -n`) leaves room for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from otp_service.errors import SettingsError
from otp_service.gateways.config import PARALLEL, Parallel
from otp_service.settings import Settings, convert

OWN_FILES = 150
"""Files that are open beside connections of callers, to Redis and to gateways: to receivers and the collector, of
callers that are told that there is no room, and those of the interpreter."""
FEWEST = 16
"""The least that `http.max_connections` can be."""


def connections_that_fit(settings: Settings) -> tuple[int, str]:
    """`http.max_connections`, or as many as there is room for, and then a sentence on it. Raises SettingsError where
    there is hardly room for any.

    The limit is raised as far as this process may raise it itself: many systems begin with 1024 and allow much more.
    """
    wanted, own = settings.http.max_connections, settings.redis.max_connections + OWN_FILES
    to_gateways = min(wanted, sum(map(_parallel, settings.gateways.values())))
    needed = own + wanted + to_gateways
    limit = _raised(needed)
    if limit is None or limit >= needed:
        return wanted, ""
    # Who waits for a gateway is a caller, so of those that are taken all may.
    fit = max(limit - own - to_gateways, (limit - own) // 2)
    advice = f"Raise it to {needed} (LimitNOFILE= of systemd, --ulimit nofile= of a container)"
    if fit < FEWEST:
        raise SettingsError(
            f"http.max_connections: `ulimit -n` is {limit}, and {own} files are our own: hardly any connection has "
            f"room. {advice}"
        )
    return fit, (
        f"http.max_connections is {wanted}, and `ulimit -n` of {limit} has room for {fit}: only so many are taken. "
        f"{advice}, or lower the setting"
    )


def _parallel(gateway: Mapping[str, Any]) -> int:
    """Requests to it at the same time. What cannot be read is refused where gateways are made."""
    with suppress(SettingsError):
        return convert(Parallel, gateway.get("max_parallel", PARALLEL), "gateways")
    return PARALLEL


def _raised(needed: int) -> int | None:
    """The limit, raised to what is needed where that may be; None for none."""
    try:
        import resource
    except ModuleNotFoundError:  # not made for Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft >= needed:
        return soft
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a bound of its own
        return soft
    return wanted
