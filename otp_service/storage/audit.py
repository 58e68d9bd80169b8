"""The audit log: who did what to keys, locks, lists, settings and people's data. Appended to, never changed.

Nothing personal is in it in clear: a phone is named by its index, a caller by the id of its API key. The names of
persons are those of the operating system's account that ran a command, and of operators of the console.
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
_APPEND = Script.load("audit/append")
UNREADABLE = "unreadable"
"""The action of an entry that no version of ours wrote."""
_YEAR_2300 = 10_413_792_000_000
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
    RECORD_REPAIRED = "record.repaired"
    SECRET_ROTATED = "secret.rotated"
    SERVICE_STARTED = "service.started"
    OPERATOR_ADDED = "operator.added"
    OPERATOR_CHANGED = "operator.changed"
    OPERATOR_RESET = "operator.reset"
    OPERATOR_REMOVED = "operator.removed"
    OPERATOR_UNLOCKED = "operator.unlocked"
    OPERATOR_ENROLLED = "operator.enrolled"
    OPERATOR_SIGNED_IN = "operator.signed_in"
    OPERATOR_SIGNED_OUT = "operator.signed_out"
    OPERATOR_REFUSED = "operator.refused"
    OPERATOR_SESSIONS_ENDED = "operator.sessions_ended"
    PERSON_VIEWED = "person.viewed"
    EVENTS_VIEWED = "events.viewed"
    VERIFICATION_VIEWED = "verification.viewed"
    VERIFICATION_CANCELED = "verification.canceled"
    VERIFICATION_RESENT = "verification.resent"
    CIRCUIT_OPENED = "circuit.opened"
    CIRCUIT_CLOSED = "circuit.closed"
    LIST_CHANGED = "list.changed"
    WEBHOOK_TESTED = "webhook.tested"
    AUDIT_EXPORTED = "audit.exported"


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

        actor: `service`, `key:<id of an API key>`, `cli:<account>` or `operator:<name>`.
        subject: an id or a phone's index, never a phone.
        Write down what takes something away before it takes effect, so that no crash hides it, but after a look
        whether it is there at all: what was answered 404, or repeated, is not in the log.
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

    async def before(self, entry_id: str = "", limit: int = PAGE) -> list[Entry]:
        """Entries in front of the one with this id, newest first; "" for the newest."""
        if entry_id == "0-0":  # nothing is older, and Redis does not take it for an end that is not included
            return []
        begin = f"({entry_id}" if entry_id else "+"
        found = await self._database.command("XREVRANGE", keys.AUDIT, begin, "-", "COUNT", limit)
        return [_read(found_id, record) for found_id, record in found]

    async def entries(self) -> AsyncIterator[Entry]:
        """All of them, oldest first."""
        after = ""
        while page := await self.page(after):
            for entry in page:
                yield entry
            after = page[-1].id


def told(entry: Entry) -> dict[str, Any]:
    """As it is exported: `at` in ISO 8601, UTC."""
    at = (
        datetime.fromtimestamp(min(entry.at, _YEAR_2300) / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
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
    """What another program wrote is an entry too, of nobody: a log hides nothing."""
    try:
        actor, action, application, subject = (
            record[name].decode() for name in (b"actor", b"action", b"application", b"subject")
        )
        details = msgspec.json.decode(record[b"details"], type=dict[str, Any])
    except (LookupError, ValueError, RecursionError):
        return Entry(entry_id.decode(), "", UNREADABLE, "", "", {})
    return Entry(entry_id.decode(), actor, action, application, subject, details)


def hides(text: str) -> bool:
    """Whether the log would not say it, or a part of it, because it reads like a phone."""
    return bool(_PHONE.search(text))


def _without_phones(value: str | int) -> str | int:
    return _PHONE.sub("[phone]", value) if isinstance(value, str) else value
