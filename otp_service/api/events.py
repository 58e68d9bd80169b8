"""GET /v1/events: what happened, to catch up from; the same that webhooks tell."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from otp_service.api.problems import documented
from otp_service.api.schemas import time_view
from otp_service.domain import money
from otp_service.domain.events import Event
from otp_service.domain.scopes import KeyScope
from otp_service.service import Service
from otp_service.settings.section import END
from otp_service.storage.api_keys import ApiKey

LIMIT = 100


class EventView(msgspec.Struct, kw_only=True):
    """sequence: grows by one from event to event of the application. data: by the type, as it was at `timestamp`."""

    id: str
    sequence: int
    type: str
    timestamp: datetime
    data: dict[str, Any]


class EventList(msgspec.Struct, kw_only=True):
    """next: for `after`, to go on from here; also where there is nothing new yet."""

    events: list[EventView]
    next: str | None


@get(
    "/v1/events",
    operation_id="listEvents",
    summary="What happened, oldest first",
    tags=["events"],
    opt={"scope": KeyScope.READ},
    responses=documented("validation_failed"),
)
async def events(
    service: NamedDependency[Service],
    caller: NamedDependency[ApiKey],
    after: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^evt_[a-z0-9_-]{1,32}_[0-9]{1,15}-[0-9]{1,10}" + END,
            description="The id of the last event that you know; none for the oldest kept.",
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT, description="At most so many.")] = LIMIT,
) -> EventList:
    found = await service.events.after(caller.application, after or "", limit)
    return EventList(events=[event_view(event) for event in found], next=found[-1].id if found else after)


def event_view(event: Event) -> EventView:
    """What is told of an event, here and by webhook."""
    return EventView(
        id=event.id, sequence=event.sequence, type=event.type, timestamp=time_view(event.at), data=data_of(event)
    )


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
    if "message" in fields:
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
