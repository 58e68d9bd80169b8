"""The audit log: who did what to keys, locks, lists, settings and people's data. Appended to, never changed.

Nothing personal is in it in clear: a phone is named by its index, a caller by the id of its API key. The one name of a
person is that of the operating system's account that ran a command.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from otp_service.domain.value import Value
from otp_service.storage import keys
from otp_service.storage.connection import Database, Script

PAGE = 500
"""Entries that are read in one call."""
_APPEND = Script.load("append_audit")
_PHONE = re.compile(r"(?<![0-9A-Za-z])\+?[0-9]{11,15}(?![0-9A-Za-z])")


class Action(StrEnum):
    """What can be in the log. docs/security.md says what `subject` and `details` are for each."""

    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    PHONE_UNLOCKED = "phone.unlocked"
    PHONE_ERASED = "phone.erased"
    FACTOR_ENROLLED = "factor.enrolled"
    FACTOR_CONFIRMED = "factor.confirmed"
    FACTOR_REMOVED = "factor.removed"
    FACTORS_IMPORTED = "factors.imported"
    BACKUP_CODES_ISSUED = "backup_codes.issued"
    SUBJECT_UNLOCKED = "subject.unlocked"
    SUBJECT_FORGOTTEN = "subject.forgotten"
    SECRETS_RESEALED = "secrets.resealed"
    WEBHOOK_REPLAYED = "webhook.replayed"
    SECRET_ROTATED = "secret.rotated"
    SERVICE_STARTED = "service.started"


class Entry(Value):
    """id: its place in the log, `<ms>-<number>`. at: milliseconds since the epoch, by Redis."""

    id: str
    actor: str
    action: str
    application: str
    subject: str
    details: Mapping[str, Any]

    @property
    def at(self) -> int:
        return int(self.id.partition("-")[0])


class AuditLog:
    """`retention_seconds`: how long an entry is kept (`retention.audit_seconds`)."""

    def __init__(self, database: Database, retention_seconds: int) -> None:
        self._database = database
        self._retention_ms = retention_seconds * 1000

    async def record(
        self, actor: str, action: Action, subject: str = "", *, application: str = "", **details: str | int
    ) -> str:
        """Append one entry; returns its id. Raises StorageUnavailable.

        actor: `service`, `key:<id of an API key>` or `cli:<account>`. subject: an id or a phone's index, never a phone.
        Write it down before what it tells of takes effect: an entry about something that failed is better than none.
        """
        told = {name: _without_phones(value) for name, value in details.items()}
        entry = {
            "actor": _without_phones(actor),
            "action": action,
            "application": application,
            "subject": _without_phones(subject),
            "details": msgspec.json.encode(told),
        }
        fields = [part for pair in entry.items() for part in pair]
        appended: bytes = await self._database.run(_APPEND, [keys.AUDIT], [self._retention_ms, *fields], confirm=True)
        return appended.decode()

    async def page(self, after: str = "", limit: int = PAGE) -> list[Entry]:
        """Entries behind the one with this id, oldest first."""
        begin = f"({after}" if after else "-"
        found = await self._database.command("XRANGE", keys.AUDIT, begin, "+", "COUNT", limit)
        return [_read(entry_id, record) for entry_id, record in found]

    async def entries(self) -> AsyncIterator[Entry]:
        """All of them, oldest first."""
        after = ""
        while page := await self.page(after):
            for entry in page:
                yield entry
            after = page[-1].id


def told(entry: Entry) -> dict[str, Any]:
    """As it is exported: `at` in ISO 8601, UTC."""
    at = datetime.fromtimestamp(entry.at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": entry.id,
        "at": at,
        "actor": entry.actor,
        "action": entry.action,
        "application": entry.application or None,
        "subject": entry.subject or None,
        "details": entry.details,
    }


def _read(entry_id: bytes, record: Mapping[bytes, bytes]) -> Entry:
    actor, action, application, subject = (
        record[name].decode() for name in (b"actor", b"action", b"application", b"subject")
    )
    return Entry(entry_id.decode(), actor, action, application, subject, msgspec.json.decode(record[b"details"]))


def _without_phones(value: str | int) -> str | int:
    return _PHONE.sub("[phone]", value) if isinstance(value, str) else value
