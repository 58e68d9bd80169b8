"""API keys: only their SHA-256 is stored, which is enough for 160 random bits (OWASP ASVS 5.0 6.5.2)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Collection, Mapping

from otp_service.domain.networks import Address, Network
from otp_service.domain.scopes import DEFAULT_SCOPES, KeyScope
from otp_service.domain.secret import Secret
from otp_service.domain.value import Hidden, Value
from otp_service.storage import keys
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, Script

CACHE_SECONDS = 5.0
CACHE_ENTRIES = 1000
NOTED_SECONDS = 60.0
"""How often one process writes down that a key is used."""
SEEN_AFTER_END_SECONDS = 30 * 86_400
_MAKE, _USE, _ROTATE, _REVOKE = map(Script.load, ("make_api_key", "use_api_key", "rotate_api_key", "revoke_api_key"))


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
    """word: see rotate_api_key.lua. old_ends_at: milliseconds since the epoch. other: id of a key in the way."""

    word: str
    new_id: str = ""
    secret: Hidden[Secret | None] = None
    old_ends_at: int = 0
    other: str = ""


class ApiKeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, tuple[float, ApiKey | None]] = {}
        self._noted: dict[str, float] = {}

    async def create(self, grant: Grant) -> tuple[str, Secret]:
        """Make a key: its id and its secret, which is shown once and cannot be had again."""
        key_id, secret = _drawn()
        await self._make(key_id, secret, grant)
        return key_id, secret

    async def ensure(self, secret: Secret, application: str, audit: AuditLog) -> None:
        """Make sure that a key chosen by the operator works (OTP_BOOTSTRAP_API_KEY)."""
        _, found, _ = await self._use(_digest(secret.reveal()), note=False)
        if found is None or found.application != application:
            key_id = f"env-{_digest(secret.reveal())[:8]}"
            await audit.record("service", Action.KEY_CREATED, key_id, application=application)
            await self._make(key_id, secret, Grant(application, "OTP_BOOTSTRAP_API_KEY"))

    async def find(self, presented: str) -> ApiKey | None:
        """Whose key this is; None if there is none or its life is over.

        Answers may be 5 s old, also for keys that do not exist; the end of a life is kept to the millisecond. Looked up
        by the hash of what was presented, so there is nothing to compare and nothing to time. That a key is used is
        written once a minute, with a look-up that is made anyway.
        """
        digest = _digest(presented)
        now = time.monotonic()
        known = self._cache.get(digest)
        if known and known[0] > now:
            return known[1]
        note = now - self._noted.get(digest, -NOTED_SECONDS) >= NOTED_SECONDS
        _, found, left = await self._use(digest, note=note)
        if found and note:
            self._noted[digest] = now
        if len(self._cache) >= CACHE_ENTRIES:
            self._cache.clear()
        self._cache[digest] = (now + min(CACHE_SECONDS, left), found)
        return found

    async def list(self) -> list[ApiKey]:
        """All keys, also those whose life has ended not longer than 30 days ago."""
        found = []
        for key_id, digest in _pairs(await self._database.command("HGETALL", keys.API_KEYS)):
            record = await self._database.command("HGETALL", keys.api_key(digest))
            if record:
                found.append(_read(record))
            else:
                await self._database.command("HDEL", keys.API_KEYS, key_id)
        return sorted(found, key=lambda key: (key.application, key.created_at))

    async def get(self, key_id: str) -> ApiKey | None:
        digest = await self._digest_of(key_id)
        record = await self._database.command("HGETALL", keys.api_key(digest)) if digest else None
        return _read(record) if record else None

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
        match word.decode():
            case "rotated":
                return Rotation("rotated", new_id, secret, int(extra))
            case "two_live":
                return Rotation("two_live", other=key.predecessor, old_ends_at=int(extra))
            case other:
                return Rotation(other, other=extra.decode())

    async def revoke(self, key_id: str) -> bool:
        """False if there is no such key. Processes may honour it for up to 5 s more."""
        digest = await self._digest_of(key_id)
        if digest is None:
            return False
        names = [keys.API_KEYS, keys.api_key(digest)]
        return bool(await self._database.run(_REVOKE, names, [key_id], confirm=True))

    async def _digest_of(self, key_id: str) -> str | None:
        digest = await self._database.command("HGET", keys.API_KEYS, key_id)
        return digest.decode() if digest else None

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

    async def _use(self, digest: str, *, note: bool) -> tuple[str, ApiKey | None, float]:
        """word, the key if it lives, and the seconds that this may be remembered."""
        names, args = [keys.api_key(digest)], ["1" if note else "0"]
        (word, left_ms, flat), _ = await self._database.again(lambda: self._database.run(_USE, names, args))
        if word != b"ok":
            return word.decode(), None, CACHE_SECONDS
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        return "ok", _read(record), int(left_ms) / 1000 if left_ms else CACHE_SECONDS


def _drawn() -> tuple[str, Secret]:
    """An id, and a secret with 160 random bits that begins with it."""
    key_id = secrets.token_hex(4)
    random = base64.b32encode(secrets.token_bytes(20)).decode().lower()
    return key_id, Secret(f"otp_{key_id}_{random}")


def _digest(presented: str) -> str:
    return hashlib.sha256(presented.encode()).hexdigest()


def _joined(values: Collection[object]) -> str:
    return ",".join(sorted(map(str, values)))


def _pairs(found: Mapping[bytes, bytes]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in found.items()]


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
