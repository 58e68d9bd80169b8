"""What is told of an event, in the list of events and by webhook: one form for both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from otp_service.domain import money
from otp_service.domain.events import Event, EventType
from otp_service.domain.inbound import Assurance
from otp_service.domain.verifications import delivery_id


class EventView(msgspec.Struct, kw_only=True):
    """sequence: grows by one from event to event of the application. data: by the type, as it was at `timestamp`."""

    id: str
    sequence: int
    type: str
    timestamp: datetime
    data: dict[str, Any]


class WebhookBody(msgspec.Struct):
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
    return msgspec.json.encode(WebhookBody(kind, time_view(at), sequence, data))


def data_of(event: Event) -> dict[str, Any]:
    """The public form of what an event is about; as it is stored, where a version that we do not know wrote it."""
    try:
        return _known(event)
    except (LookupError, ValueError, OverflowError, OSError):
        return {"subject": event.subject or None, **event.fields}


def _known(event: Event) -> dict[str, Any]:
    if event.type.startswith("gateway."):
        about: dict[str, Any] = {"gateway": event.subject, **event.fields}
        return {name: time_view(int(value)) if name == "opened_at" else value for name, value in about.items()}
    if "factor" in event.fields:
        left = event.fields.get("left")
        return {
            "subject": event.person or None,
            "factor": event.fields["factor"],
            "factor_id": event.subject or None,
            "backup_codes_left": int(left) if left else None,
        }
    if event.type == EventType.APPLICATION_WEEKLY_REPORT:
        report: dict[str, Any] = msgspec.json.decode(event.fields["report"])
        return report
    if event.type.startswith(("application.", "service.")):
        written = money.roubles if "spent" in event.fields else int  # money in roubles; wrong codes as numbers
        return {name: written(int(value)) for name, value in event.fields.items()}
    fields = event.fields
    if fields.get("kind"):
        return _delivery(event)
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
    if event.type == EventType.VERIFICATION_APPROVED:
        data["assurance"] = fields.get("assurance") or Assurance.HELD
    if event.tags:
        data["tags"] = dict(event.tags)
    if fields["message"]:
        data["message"] = _message(event, event.subject)
    return data


def _delivery(event: Event) -> dict[str, Any]:
    """A code that its caller made; neither it nor a text of it is ever told."""
    fields, public_id = event.fields, delivery_id(event.subject)
    status = {"failed": "failed", "expired": "expired"}.get(event.type.partition(".")[2], "")
    if not status:
        told = fields.get("message:status", "")
        status = told if told in ("accepted", "delivered") else "queued"
    data: dict[str, Any] = {
        "delivery_id": public_id,
        "status": status,
        "to": event.phone or None,
        "channel": fields["channel"],
        "purpose": fields["purpose"],
        "reference": fields["reference"] or None,
        "created_at": time_view(int(fields["created_at"])),
        "expires_at": time_view(int(fields["expires_at"])),
    }
    if event.type == "delivery.converted":
        del data["status"]
    if fields["message"]:
        data["message"] = _message(event, public_id)
    return data


def _message(event: Event, about: str) -> dict[str, Any]:
    def told(name: str) -> str:
        return event.fields.get(f"message:{name}", "")

    return {
        "id": f"{about}.{event.fields['message']}",
        "gateway": told("gateway"),
        "channel": told("channel"),
        "status": told("status"),
        "sent_at": time_view(int(told("sent_at"))) if told("sent_at") else None,
        "updated_at": time_view(int(told("updated_at"))),
        "parts": int(told("parts")) if told("parts") else None,
        "price": told("price") or None,
        "reason": told("reason") or None,
    }


def time_view(milliseconds: int) -> datetime:
    """Of milliseconds of Redis time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
