"""What is known of a phone in an application, forgotten at its holder's request.

All ids of verifications are looked through, since an id holds its phone's index, masked: the index of the phone knows
its newest only, and events do not reach back for ever. What stays is named in docs/security.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from otp_service.domain.keyring import Names
from otp_service.storage import keys, unreadable
from otp_service.storage.connection import Database, Script
from otp_service.storage.refusals import RefusalStore
from otp_service.storage.subjects import DROP_PHONE

PAGE = 500
RELAY_SECONDS = 1.0
"""What a worker had read of an outbox before it was emptied has arrived in the log by then."""
_ID = re.compile(r"[A-Za-z0-9_-]{16,}")
"""What may be the id of a verification, in the name or the text of something that was set aside."""
_ERASE = Script.load("verification/erase")


@dataclass(slots=True)
class Erased:
    """How many of what."""

    verifications: int = 0
    messages: int = 0
    events: int = 0
    idempotency_records: int = 0
    subjects: int = 0
    """Persons in whose lists of verified phones it was."""


async def erase(database: Database, names: Names, application: str, e164: str) -> Erased:
    """Forget a phone. Safe to repeat. Raises StorageUnavailable; then a repeat goes on.

    A send or a check that is under way finds its verification gone, and writes nothing any more (`errors.Erased`). What
    starts meanwhile is new: it is forgotten by another run.
    """
    partition, index = names.partition(e164), names.phone_index(application, e164)
    done = Erased()

    def is_own(subject: str) -> bool:
        return names.locate(subject) == (partition, index)

    async for batch in _pages(database, f"{keys.verification(partition, '')}*"):
        if own := [each for each in (name.rpartition(":")[2] for name in batch) if is_own(each)]:
            erased = [keys.due(str(partition)), *(keys.verification(partition, each) for each in own)]
            found, messages, idempotency = await database.run(_ERASE, erased, own)
            done.verifications += found
            done.messages += messages
            for record in idempotency:
                done.idempotency_records += await database.command("DEL", keys.idempotency(record.decode()))
    done.events += await _drop_events(database, keys.outbox(str(partition)), is_own)
    if done.verifications:
        await asyncio.sleep(RELAY_SECONDS)
    done.events += await _drop_events(database, keys.events(application), is_own)
    for entry in await unreadable.entries(database.topology):
        text = b" ".join((entry.key.encode(), *entry.data)).decode(errors="replace")
        if index in text or any(map(is_own, _ID.findall(text))):
            await unreadable.forget(database.topology, entry)
    await RefusalStore(database).forget(application, index)
    for name in (keys.pause, keys.proved, keys.verified, keys.unreached, keys.phone):
        await database.command("DEL", name(partition, index))
    async for batch in _pages(database, keys.SUBJECTS):  # all persons: a phone does not lead to those who proved it
        done.subjects += sum(await database.run_many(DROP_PHONE, [([name], [index]) for name in batch]))
    return done


async def _pages(database: Database, pattern: str) -> AsyncIterator[list[str]]:
    """Names of keys, many at a time."""
    batch: list[str] = []
    async for name in database.names(pattern):
        batch.append(name)
        if len(batch) == PAGE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _drop_events(database: Database, stream: str, is_own: Callable[[str], bool]) -> int:
    """Events of a stream whose subject is one of these; returns how many there were."""
    dropped, begin = 0, "-"
    while page := await database.command("XRANGE", stream, begin, "+", "COUNT", PAGE):
        begin = f"({page[-1][0].decode()}"
        if own := [event for event, record in page if is_own(record.get(b"subject", b"").decode())]:
            dropped += await database.command("XDEL", stream, *own)
    return dropped
