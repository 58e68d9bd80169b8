"""The ledger of consecutive wrong codes of a phone; counted and cleared by scripts, unlocked by an operator here."""

from __future__ import annotations

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database


async def unlock(database: Database, names: Names, application: str, e164: str) -> int:
    """Forget a phone's wrong codes; returns how many there were in a row."""
    name = keys.fails(names.partition(e164), names.phone_index(application, e164))
    count = await database.command("HGET", name, "count")
    await database.command("DEL", name)
    return int(count or 0)
