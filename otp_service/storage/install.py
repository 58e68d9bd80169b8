"""How this installation names things: drawn once, at the first start, and never changed."""

from __future__ import annotations

import contextlib
import secrets

from otp_service.domain.keyring import Keyring, Keys, Names
from otp_service.errors import SettingsError, WrongRedisError
from otp_service.storage import keys
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, Script

PARTITIONS = 256
_BOUND_TO = b"otp:install"
_RETIRED = b"retired:"
UNREADABLE_INSTALL = (
    "redis: the record otp:install cannot be read: it is damaged, or another program's. Restore it from a backup, or "
    "give the service a database of its own"
)
_FOREIGN = (
    "service.secret: this Redis was set up under another root secret. List that one too, after the new one "
    '(secret = ["env:NEW", "env:OLD"]), or use an empty Redis'
)
_RETIRED_ONE = (
    "service.secret: this root secret was retired by `rotate-secrets`, and another has taken its place. "
    "List that one first"
)
_DAMAGED = "redis: the record otp:install is damaged; restore it from a backup"
_INSTALL = Script.load("install/install")


async def load_names(database: Database, keyring: Keyring, audit: AuditLog | None = None) -> Names:
    """Read the index key, or draw it on a fresh Redis.

    The keys of retired secrets are added to the keyring. The index key is wrapped anew, and the audit log says so, when
    the first of the root secrets is another than it was. Raises SettingsError when none of them opens it: with another
    key every phone would look new.
    """
    index_key = secrets.token_bytes(32)
    current = keyring.current
    reply = await database.run(
        _INSTALL, [keys.INSTALL], [PARTITIONS, current.id, current.seal(index_key, _BOUND_TO)], confirm=True
    )
    try:
        partitions, key_id, wrapped = int(reply[0]), reply[1].decode(), bytes(reply[2])
    except (TypeError, ValueError, AttributeError):
        raise WrongRedisError(UNREADABLE_INSTALL) from None
    holder = keyring.get(key_id)
    if holder is None:
        raise SettingsError(_FOREIGN)
    try:
        index_key = holder.open(wrapped, _BOUND_TO)
    except ValueError:
        raise WrongRedisError(_DAMAGED) from None
    if holder is not current:  # the secret was rotated: from now on the old one is not needed for this
        if audit:
            await audit.record("service", Action.SECRET_ROTATED, current.id, before=key_id)
        rewrapped = current.seal(index_key, _BOUND_TO)
        await database.command("HSET", keys.INSTALL, "key_id", current.id, "index_key", rewrapped)
    record = await database.command("HGETALL", keys.INSTALL)
    for name, sealed in record.items():
        if name.startswith(_RETIRED):
            with contextlib.suppress(LookupError):  # retired under a secret that this process does not have (yet)
                keyring.add(Keys.unpacked(name[len(_RETIRED) :].decode(), keyring.open(sealed, _BOUND_TO + name)))
    return Names(index_key, partitions)


async def foreign_secret(database: Database, keyring: Keyring) -> str:
    """Why the root secrets of the settings are not those of this Redis; '' where they are, or where it is fresh."""
    key_id, wrapped, retired = await database.command(
        "HMGET", keys.INSTALL, "key_id", "index_key", _RETIRED + keyring.current.id.encode()
    )
    if key_id is None:
        return ""
    holder = keyring.get(key_id.decode())
    if holder is None:
        return _RETIRED_ONE if retired else _FOREIGN
    try:
        holder.open(wrapped, _BOUND_TO)
    except ValueError:
        return _DAMAGED
    return ""


async def retire(database: Database, keyring: Keyring) -> int:
    """Keep the keys of all former secrets, sealed under the current one, so that those need not be listed any more.

    What lives for minutes or days (codes, records, events) is then read until it ends. Returns how many there are.
    """
    for former in keyring.former:
        name = _RETIRED + former.id.encode()
        await database.command("HSET", keys.INSTALL, name, keyring.seal(former.packed(), _BOUND_TO + name))
    return len(keyring.former)
