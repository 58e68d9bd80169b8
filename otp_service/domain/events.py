"""Events: what happened, as callers hear of it by webhook and in the list of events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from otp_service.domain.value import Hidden, Value


class EventType(StrEnum):
    """What can happen. The type says what the event's data are about; they show it as it was at that moment."""

    VERIFICATION_CREATED = "verification.created"
    VERIFICATION_APPROVED = "verification.approved"
    VERIFICATION_EXPIRED = "verification.expired"
    VERIFICATION_EXHAUSTED = "verification.exhausted"
    VERIFICATION_CANCELED = "verification.canceled"
    VERIFICATION_FAILED = "verification.failed"
    DELIVERY_CREATED = "delivery.created"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_EXPIRED = "delivery.expired"
    DELIVERY_CONVERTED = "delivery.converted"
    MESSAGE_UPDATED = "message.updated"
    FACTOR_ENROLLED = "factor.enrolled"
    FACTOR_CONFIRMED = "factor.confirmed"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_LOCKED = "factor.locked"
    CHALLENGE_APPROVED = "challenge.approved"
    CHALLENGE_DENIED = "challenge.denied"
    BACKUP_CODE_USED = "backup_code.used"
    GATEWAY_CIRCUIT_OPENED = "gateway.circuit_opened"
    GATEWAY_CIRCUIT_CLOSED = "gateway.circuit_closed"
    GATEWAY_BALANCE_LOW = "gateway.balance_low"
    APPLICATION_BUDGET_WARNING = "application.budget_warning"
    APPLICATION_BUDGET_EXHAUSTED = "application.budget_exhausted"
    APPLICATION_WRONG_CODES = "application.wrong_codes"
    APPLICATION_WEEKLY_REPORT = "application.weekly_report"
    SERVICE_WRONG_CODES = "service.wrong_codes"


def type_of(word: str) -> EventType | str:
    """A type as it is stored: one that only a newer version knows is told as it is."""
    return EventType(word) if word in _KNOWN else word


_KNOWN = frozenset(map(str, EventType))


class Event(Value):
    """One event of an application's log.

    id: stable, the same however often it is told. sequence: grows by one from event to event of an application.
    at: milliseconds of Redis time. subject: the id of what it is about. phone: E.164, "" where there is none or it
    cannot be read any more. person: the caller's id of whom a factor is. fields: what the subject was like, as stored.
    """

    id: str
    sequence: int
    type: EventType | str
    at: int
    application: str
    subject: str
    phone: Hidden[str] = ""
    person: Hidden[str] = ""
    fields: Hidden[Mapping[str, str]] = msgspec.field(default_factory=dict)
    tags: Hidden[Mapping[str, str]] = msgspec.field(default_factory=dict)
    """The caller's own words for its verification."""
