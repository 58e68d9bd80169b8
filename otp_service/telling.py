"""What is told of an event, in the list of events and by webhook: one form for both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from otp_service.domain import money
from otp_service.domain.events import Event


class EventView(msgspec.Struct, kw_only=True):
    """sequence: grows by one from event to event of the application. data: by the type, as it was at `timestamp`."""

    id: str
    sequence: int
    type: str
    timestamp: datetime
    data: dict[str, Any]


class _Told(msgspec.Struct):
    """The order in which a webhook tells; `webhook-id` names the event."""

    type: str
    timestamp: datetime
    sequence: int
    data: dict[str, Any]


def event_view(event: Event) -> EventView:
    """An event as the list of events has it."""
    return EventView(
        id=event.id, sequence=event.sequence, type=event.type, timestamp=time_view(event.at), data=data_of(event)
    )


def webhook_body(event: Event) -> bytes:
    """An event as a webhook tells it, JSON: the same bytes at each attempt, under 20 kB."""
    return body_of(event.type, event.at, event.sequence, data_of(event))


def body_of(kind: str, at: int, sequence: int, data: dict[str, Any]) -> bytes:
    """at: milliseconds."""
    return msgspec.json.encode(_Told(kind, time_view(at), sequence, data))


def data_of(event: Event) -> dict[str, Any]:
    """The public form of what an event is about."""
    if event.type.startswith("gateway."):
        return {"gateway": event.subject, **_gateway(event)}
    if "factor" in event.fields:
        return _factor(event)
    if event.type.startswith(("application.", "service.")):
        return _abuse(event)
    fields = event.fields
    data: dict[str, Any] = {
        "verification_id": event.subject,
        "status": fields["status"],
        "to": event.phone or None,
        "channel": fields["channel"],
        "purpose": fields["purpose"],
        "reference": fields["reference"] or None,
        "created_at": time_view(int(fields["created_at"])),
        "expires_at": time_view(int(fields["expires_at"])),
        "attempts_left": max(0, int(fields["max_attempts"]) - int(fields["attempts"])),
        "sends_left": max(0, int(fields["max_sends"]) - int(fields["sends"])),
    }
    if fields["message"]:
        data["message"] = _message(event)
    return data


def _message(event: Event) -> dict[str, Any]:
    def told(name: str) -> str:
        return event.fields.get(f"message:{name}", "")

    return {
        "id": f"{event.subject}.{event.fields['message']}",
        "gateway": told("gateway"),
        "channel": told("channel"),
        "status": told("status"),
        "sent_at": time_view(int(told("sent_at"))) if told("sent_at") else None,
        "updated_at": time_view(int(told("updated_at"))),
        "parts": int(told("parts")) if told("parts") else None,
        "price": told("price") or None,
        "reason": told("reason") or None,
    }


def _factor(event: Event) -> dict[str, Any]:
    left = event.fields.get("left")
    return {
        "subject": event.person or None,
        "factor": event.fields["factor"],
        "factor_id": event.subject or None,
        "backup_codes_left": int(left) if left else None,
    }


def _abuse(event: Event) -> dict[str, Any]:
    """Money in roubles; counts of wrong codes as numbers."""
    written = money.roubles if "spent" in event.fields else int
    return {name: written(int(value)) for name, value in event.fields.items()}


def _gateway(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = dict(event.fields)
    if "opened_at" in data:
        data["opened_at"] = time_view(int(data["opened_at"]))
    return data


def time_view(milliseconds: int) -> datetime:
    """Of milliseconds of Redis time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
