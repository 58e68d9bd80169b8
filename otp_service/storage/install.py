"""How this installation names things: drawn once, at the first start, and never changed."""

from __future__ import annotations

import secrets

from otp_service.domain.keyring import Keyring, Names
from otp_service.errors import SettingsError
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

PARTITIONS = 256
_BOUND_TO = b"otp:install"
_INSTALL = Script.load("install")


async def load_names(database: Database, keyring: Keyring) -> Names:
    """Read the index key, or draw it on a fresh Redis.

    Raises SettingsError when none of the listed root secrets opens it: with another key every phone would look new.
    """
    index_key = secrets.token_bytes(32)
    current = keyring.current
    reply = await database.run(
        _INSTALL, [keys.INSTALL], [PARTITIONS, current.id, current.seal(index_key, _BOUND_TO)], confirm=True
    )
    partitions, key_id, wrapped = int(reply[0]), reply[1].decode(), reply[2]
    holder = keyring.get(key_id)
    if holder is None:
        raise SettingsError(
            "service.secret: this Redis was set up under another root secret. List that one too, after the new one "
            '(secret = ["env:NEW", "env:OLD"]), or use an empty Redis'
        )
    try:
        index_key = holder.open(wrapped, _BOUND_TO)
    except ValueError:
        raise SettingsError("redis: the record otp:install is damaged; restore it from a backup") from None
    if holder is not current:  # the secret was rotated: from now on the old one is not needed for this
        rewrapped = current.seal(index_key, _BOUND_TO)
        await database.command("HSET", keys.INSTALL, "key_id", current.id, "index_key", rewrapped)
    return Names(index_key, partitions)
