"""What is known of a phone in an application, forgotten at its holder's request.

The ids of its verifications come from the index of the phone and, where that one is shorter, from the events: an id
holds its phone's index, masked. What stays is named in docs/security.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from otp_service.domain.keyring import Names
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

PAGE = 500
_ERASE = Script.load("erase")
_DROP_PHONE = Script.load("subject_drop_phone", "_factors")


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
    """Forget a phone. Safe to repeat; what starts meanwhile is not found. Raises StorageUnavailable."""
    partition, index = names.partition(e164), names.phone_index(application, e164)
    ids = {each.decode() for each in await database.command("ZRANGE", keys.phone(partition, index), 0, -1)}
    done = Erased()
    async for page in _events(database, application):
        ids |= {subject for _, subject in page if names.locate(subject) == (partition, index)}
    for verification_id in sorted(ids):
        await _forget(database, partition, verification_id, done)
    # What leads to the ids goes last, so that a second try finds what a first one left.
    async for page in _events(database, application):
        own = [event for event, subject in page if subject in ids]
        if own:
            done.events += await database.command("XDEL", keys.events(application), *own)
    for name in (keys.pause(partition, index), keys.proved(partition, index), keys.phone(partition, index)):
        await database.command("DEL", name)
    async for batch in _subjects(database):
        done.subjects += sum(await database.run_many(_DROP_PHONE, [([name], [index]) for name in batch]))
    return done


async def _subjects(database: Database) -> AsyncIterator[list[str]]:
    """All persons, since a phone does not lead to those who proved it."""
    batch: list[str] = []
    async for name in database.names(keys.SUBJECTS):
        batch.append(name)
        if len(batch) == PAGE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _forget(database: Database, partition: int, verification_id: str, done: Erased) -> None:
    lane = str(partition)
    names = [keys.verification(partition, verification_id), keys.due(lane), keys.outbox(lane)]
    found, messages, waiting, idempotency = await database.run(_ERASE, names, [verification_id])
    done.verifications += found
    done.messages += messages
    done.events += waiting
    if idempotency:
        done.idempotency_records += await database.command("DEL", keys.idempotency(idempotency.decode()))


async def _events(database: Database, application: str) -> AsyncIterator[list[tuple[bytes, str]]]:
    """The log of an application by pages: id and subject of each event."""
    begin = "-"
    while page := await database.command("XRANGE", keys.events(application), begin, "+", "COUNT", PAGE):
        yield [(event, record[b"subject"].decode()) for event, record in page]
        begin = f"({page[-1][0].decode()}"
