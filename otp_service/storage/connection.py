"""The connection to Redis: how the client is built, how scripts are run, and what its faults mean.

The client never repeats a call by itself: a lost answer does not say whether the script ran (with redis-py's default
it would run up to eleven times). Whoever needs a repeat makes its script idempotent and asks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.maint_notifications import MaintNotificationsConfig

from otp_service import settings
from otp_service.errors import StorageUnavailable

log = structlog.get_logger()

# Error replies that mean "not now" rather than "you asked wrongly". redis-py has classes for most of them.
_NOT_NOW = (
    AuthenticationError, ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError,
)  # fmt: skip
_NOT_NOW_PREFIXES = ("NOREPLICAS", "MISCONF", "BUSY")
_WAIT_MS = 500

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Script:
    """One operation of storage/scripts, with what all of them share put behind its first line."""

    name: str
    text: str = field(repr=False)
    sha: str

    @classmethod
    def load(cls, name: str) -> Script:
        folder = files("otp_service.storage") / "scripts"
        first, _, body = (folder / f"{name}.lua").read_text(encoding="utf-8").partition("\n")
        shared = (folder / "_shared.lua").read_text(encoding="utf-8")
        text = f"{first}\n{shared}{body}"
        return cls(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Database:
    """Runs scripts and plain commands. Raises StorageUnavailable when Redis did not do it or nobody can tell."""

    def __init__(self, client: Redis, confirm_replicas: int = 0) -> None:
        self._client = client
        self._confirm_replicas = confirm_replicas

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, confirm: bool = False) -> Any:
        """Run one script. `confirm`: it is the request's last write, so replicas must have it before we answer."""
        if confirm and self._confirm_replicas:
            return await self._run_confirmed(script, keys, args)
        try:
            try:
                return await self._client.evalsha(script.sha, len(keys), *keys, *args)
            except NoScriptError:
                return await self._client.eval(script.text, len(keys), *keys, *args)
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, script.name) from error

    async def _run_confirmed(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """WAIT speaks of the writes of its own connection only, so both go through one pipeline."""
        try:
            for command, text in (("EVALSHA", script.sha), ("EVAL", script.text)):
                pipeline = self._client.pipeline(transaction=False)
                pipeline.execute_command(command, text, len(keys), *keys, *args)
                pipeline.execute_command("WAIT", self._confirm_replicas, _WAIT_MS)
                reply, confirmed = await pipeline.execute(raise_on_error=False)
                if not isinstance(reply, NoScriptError):
                    break
            for answer in (reply, confirmed):
                if isinstance(answer, Exception):
                    raise answer
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, script.name) from error
        if confirmed < self._confirm_replicas:
            log.warning("replicas_short", script=script.name, confirmed=confirmed, wanted=self._confirm_replicas)
            raise StorageUnavailable("confirmation_pending", "Not enough replicas have confirmed; ask again.")
        return reply

    async def run_many(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]
    ) -> Sequence[Any]:
        """Run one script with many sets of keys in one round trip; the script must bear being run again."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.execute_command("SCRIPT", "LOAD", script.text)  # in a pipeline NOSCRIPT cannot be mended
            for names, args in calls:
                pipeline.execute_command("EVALSHA", script.sha, len(names), *names, *args)
            return (await pipeline.execute())[1:]
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, script.name) from error

    async def command(self, *words: Argument) -> Any:
        """Run one plain command."""
        try:
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, str(words[0])) from error


def _unavailable(error: Exception, operation: str) -> Exception:
    """What a fault of the client means: unavailable, or a bug of ours that must be seen as one."""
    not_now = isinstance(error, _NOT_NOW) or str(error).startswith(_NOT_NOW_PREFIXES)
    if isinstance(error, ResponseError) and not not_now:
        return error
    log.warning("storage_unavailable", operation=operation, error=type(error).__name__)
    return StorageUnavailable()


@asynccontextmanager
async def open_database(config: settings.Redis) -> AsyncIterator[Database]:
    """Connect as the settings say; starts and supervises the embedded server where they say `embedded:`."""
    folder = config.url.removeprefix("embedded:") if config.url.startswith("embedded:") else None
    if folder is None:
        async with _client(config, config.url) as client:
            yield Database(client, config.confirm_replicas)
        return
    from otp_service.storage.embedded import embedded_server  # needs a Unix

    async with embedded_server(Path(folder)) as url, _client(config, url) as client:
        yield Database(client, config.confirm_replicas)


@asynccontextmanager
async def _client(config: settings.Redis, url: str) -> AsyncIterator[Redis]:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=config.max_connections,
        timeout=config.timeout_seconds,
        socket_timeout=config.timeout_seconds,
        socket_connect_timeout=config.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        # With notifications on, redis-py skips the check that tells a dead idle connection from a live one.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.aclose()
