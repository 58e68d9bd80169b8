"""The ledger of consecutive wrong codes of a phone; counted and cleared by scripts, unlocked by an operator here."""

from __future__ import annotations

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database

# NIST SP 800-63B-4 §3.2.2: from 20 consecutive wrong codes on a phone waits, at 100 it is disabled.
FAILS_THAT_WAIT = 20
FAILS_THAT_DISABLE = 100
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000


async def unlock(database: Database, names: Names, application: str, e164: str) -> int:
    """Forget a phone's wrong codes; returns how many there were in a row."""
    name = keys.fails(names.partition(e164), names.phone_index(application, e164))
    count = await database.command("HGET", name, "count")
    await database.command("DEL", name)
    return int(count or 0)
