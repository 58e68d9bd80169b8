"""API keys: only their SHA-256 is stored, which is enough for 160 random bits (OWASP ASVS 5.0 6.5.2)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import Collection, Mapping
from typing import assert_never

from otp_service.domain.networks import Address, Network
from otp_service.domain.scopes import DEFAULT_SCOPES, KeyScope
from otp_service.domain.secret import Secret
from otp_service.domain.value import Hidden, Value
from otp_service.errors import StorageUnavailable
from otp_service.storage import keys, words
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, Script, hash_of
from otp_service.telemetry import metrics

CACHE_SECONDS = 5.0
COUNT_SECONDS = 600.0
SHORT_SECONDS, UNUSED_SECONDS = 14 * 86_400, 30 * 86_400
"""A key of so short a life is meant to end; one that nobody used for so long is nobody's."""
CACHE_ENTRIES = 1000
NOTED_SECONDS = 60.0
"""How often one process writes down that a key is used."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
SEEN_AFTER_END_SECONDS = 30 * 86_400
_LOOK_UP: Script[words.ApiKeyRead] = Script.load("api_key/read")
_ROTATE: Script[words.ApiKeyRotate] = Script.load("api_key/rotate")
_MAKE, _NOTE_USE, _REVOKE = map(Script.load, ("api_key/make", "api_key/note_use", "api_key/revoke"))


class Grant(Value):
    """What a key may do, and for how long.

    networks: where it may be used from; empty for anywhere. life_seconds: None for ever.
    """

    application: str
    name: str = ""
    scopes: frozenset[KeyScope] = DEFAULT_SCOPES
    networks: tuple[Network, ...] = ()
    life_seconds: int | None = None

    def may_be_used_from(self, address: Address | None) -> bool:
        return not self.networks or (address is not None and any(address in network for network in self.networks))


class ApiKey(Value):
    """id: for people and logs. Times: milliseconds since the epoch by Redis, 0 for never.

    successor, predecessor: ids of the keys that replace it, and that it replaces.
    """

    id: str
    grant: Grant
    created_at: int
    expires_at: int
    last_used_at: int
    successor: str = ""
    predecessor: str = ""

    @property
    def application(self) -> str:
        return self.grant.application

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"key:{self.id}"


class Rotation(Value):
    """word: as api_key/rotate.lua says. old_ends_at: milliseconds since the epoch. other: id of a key in the way."""

    word: words.ApiKeyRotate
    new_id: str = ""
    secret: Hidden[Secret | None] = None
    old_ends_at: int = 0
    other: str = ""


class ApiKeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._real: dict[str, tuple[float, ApiKey | None]] = {}
        self._made_up: dict[str, tuple[float, ApiKey | None]] = {}
        self._noted: dict[str, float] = {}

    async def create(self, grant: Grant) -> tuple[str, Secret]:
        """Make a key: its id and its secret, which is shown once and cannot be had again."""
        key_id, secret = _drawn()
        await self._make(key_id, secret, grant)
        return key_id, secret

    async def ensure(self, secret: Secret, application: str, audit: AuditLog) -> None:
        """Make sure that a key chosen by the operator works (OTP_BOOTSTRAP_API_KEY)."""
        _, found, _ = await self._look_up(_digest(secret.reveal()))
        if found is None or found.application != application:
            key_id = f"env-{_digest(secret.reveal())[:8]}"
            await audit.record("service", Action.KEY_CREATED, key_id, application=application)
            await self._make(key_id, secret, Grant(application, "OTP_BOOTSTRAP_API_KEY"))

    async def find(self, presented: str) -> ApiKey | None:
        """Whose key this is; None if there is none or its life is over.

        Answers may be 5 s old, also for keys that do not exist; the end of a life is kept to the millisecond. Looked up
        by the hash of what was presented, so there is nothing to compare and nothing to time. That a key is used is
        written once a minute, where Redis takes writes.
        """
        digest = _digest(presented)
        now = time.monotonic()
        for cache in (self._real, self._made_up):
            until, known = cache.get(digest, (0.0, None))
            if until > now:
                return known
        _, found, left = await self._look_up(digest)
        if found and now - self._noted.get(digest, -NOTED_SECONDS) >= NOTED_SECONDS:
            with contextlib.suppress(StorageUnavailable):
                await self._database.run(_NOTE_USE, [keys.api_key(digest)], [])
            self._noted[digest] = now
        cache = self._real if found else self._made_up  # apart, so that strangers push out no real one
        if len(cache) >= CACHE_ENTRIES:
            cache.clear()
        cache[digest] = (now + min(CACHE_SECONDS, left), found)
        return found

    async def list(self) -> list[ApiKey]:
        """All keys, also those whose life has ended not longer than 30 days ago, but those that cannot be read."""
        found = []
        for name, value in hash_of(await self._database.command("HGETALL", keys.API_KEYS)).items():
            digest = value.decode(errors="replace")
            if not _DIGEST.fullmatch(digest):  # not ours, and not ours to forget
                continue
            if record := await self._database.command("HGETALL", keys.api_key(digest)):
                with contextlib.suppress(ValueError):
                    found.append(_read(record))
            else:
                await self._database.command("HDEL", keys.API_KEYS, name)
        return sorted(found, key=lambda key: (key.application, key.created_at))

    async def count(self, applications: Collection[str]) -> float:
        """Gauges of ends that somebody has to see coming; a key that has its successor is seen to. Returns the seconds
        until it is to be done again."""
        now = time.time()
        ends: dict[str, float] = dict.fromkeys(applications, 0.0)
        for key in await self.list():
            end = key.expires_at / 1000
            lasting = (key.grant.life_seconds or 0) >= SHORT_SECONDS and key.last_used_at / 1000 > now - UNUSED_SECONDS
            if lasting and not key.successor and end > now and key.application in ends:
                ends[key.application] = min(end, ends[key.application] or end)
        for application, end in ends.items():
            metrics.KEY_END.labels(application).set(end)
        return COUNT_SECONDS

    async def get(self, key_id: str) -> ApiKey | None:
        digest = await self._digest_of(key_id)
        record = await self._database.command("HGETALL", keys.api_key(digest)) if digest else None
        try:
            return _read(record) if record else None
        except ValueError:
            raise await self._database.left(keys.api_key(str(digest)), "is no key") from None

    async def rotate(self, key_id: str, overlap_seconds: int) -> Rotation:
        """A new key that may do what this one may; this one ends after the overlap."""
        digest = await self._digest_of(key_id)
        key = await self.get(key_id) if digest else None
        if digest is None or key is None:
            return Rotation("unknown")
        before = await self._digest_of(key.predecessor) if key.predecessor else None
        new_id, secret = _drawn()
        new_digest = _digest(secret.reveal())
        word, extra = await self._database.run(
            _ROTATE,
            [keys.API_KEYS, keys.api_key(digest), keys.api_key(new_digest), keys.api_key(before or digest)],
            [key_id, new_id, new_digest, overlap_seconds * 1000, SEEN_AFTER_END_SECONDS * 1000],
            confirm=True,
        )
        match _ROTATE.word(word):
            case "rotated":
                return Rotation("rotated", new_id, secret, int(extra))
            case "two_live":
                return Rotation("two_live", other=key.predecessor, old_ends_at=int(extra))
            case "unknown" | "expired" | "has_successor" as other:
                return Rotation(other, other=extra.decode())
            case never:
                assert_never(never)

    async def revoke(self, key_id: str) -> bool:
        """False if there is no such key. Processes may honour it for up to 5 s more."""
        digest = await self._digest_of(key_id)
        if digest is None:
            return False
        names = [keys.API_KEYS, keys.api_key(digest)]
        return bool(await self._database.run(_REVOKE, names, [key_id], confirm=True))

    async def _digest_of(self, key_id: str) -> str | None:
        digest = await self._database.command("HGET", keys.API_KEYS, key_id)
        return digest.decode(errors="replace") if digest else None

    async def _make(self, key_id: str, secret: Secret, grant: Grant) -> None:
        digest = _digest(secret.reveal())
        await self._database.run(
            _MAKE,
            [keys.API_KEYS, keys.api_key(digest)],
            [
                key_id, digest, (grant.life_seconds or 0) * 1000, SEEN_AFTER_END_SECONDS * 1000,
                "application", grant.application, "name", grant.name, "scopes", _joined(grant.scopes),
                "networks", _joined(grant.networks),
            ],
            confirm=True,
        )  # fmt: skip

    async def _look_up(self, digest: str) -> tuple[words.ApiKeyRead, ApiKey | None, float]:
        """The word, the key if it lives, and the seconds that this may be remembered."""
        names = [keys.api_key(digest)]
        (word, left_ms, flat), _ = await self._database.retry_lost(lambda: self._database.run(_LOOK_UP, names, []))
        read = _LOOK_UP.word(word)
        if read != "ok":
            return read, None, CACHE_SECONDS
        return "ok", _read(hash_of(flat)), int(left_ms) / 1000 if left_ms else CACHE_SECONDS


def _drawn() -> tuple[str, Secret]:
    """An id, and a secret with 160 random bits that begins with it."""
    key_id = secrets.token_hex(4)
    random = base64.b32encode(secrets.token_bytes(20)).decode().lower()
    return key_id, Secret(f"otp_{key_id}_{random}")


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()


def _joined(values: Collection[object]) -> str:
    return ",".join(sorted(map(str, values)))


def _read(record: Mapping[bytes, bytes]) -> ApiKey:
    def text(name: str) -> str:
        return record.get(name.encode(), b"").decode()

    life = int(text("life") or 0)
    grant = Grant(
        text("application"),
        text("name"),
        frozenset(scope for scope in KeyScope if scope in text("scopes").split(",")),
        tuple(Network.parse(network) for network in text("networks").split(",") if network),
        life // 1000 or None,
    )
    return ApiKey(
        text("id"),
        grant,
        int(text("created_at")),
        int(text("expires_at") or 0),
        int(text("last_used_at") or 0),
        text("successor"),
        text("predecessor"),
    )
