"""How many connections the limit on open files (`ulimit -n`) leaves room for."""

from __future__ import annotations

from otp_service.errors import SettingsError
from otp_service.settings import Settings

OWN_FILES = 220
"""Files that are open beside connections of callers and to Redis: to gateways, receivers and the collector, of callers
that are told that there is no room, and those of the interpreter."""
FEWEST = 16
"""The least that `http.max_connections` can be."""


def connections_that_fit(settings: Settings) -> tuple[int, str]:
    """`http.max_connections`, or as many as there is room for, and then a sentence on it. Raises SettingsError where
    there is hardly room for any.

    The limit is raised as far as this process may raise it itself: many systems begin with 1024 and allow much more.
    """
    wanted, own = settings.http.max_connections, settings.redis.max_connections + OWN_FILES
    limit = _raised(wanted + own)
    if limit is None or limit - own >= wanted:
        return wanted, ""
    advice = f"Raise it to {wanted + own} (LimitNOFILE= of systemd, --ulimit nofile= of a container)"
    if limit - own < FEWEST:
        raise SettingsError(
            f"http.max_connections: `ulimit -n` is {limit}, and {own} files are our own: hardly any connection has "
            f"room. {advice}"
        )
    return limit - own, (
        f"http.max_connections is {wanted}, and `ulimit -n` of {limit} has room for {limit - own}: only so many are "
        f"taken. {advice}, or lower the setting"
    )


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
