"""GET /v1/events: what happened, to catch up from; the same that webhooks tell."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime
from otp_service.schemas.events import EventView, event_view
from otp_service.settings.section import END

LIMIT = 100


class EventList(msgspec.Struct, kw_only=True):
    """next: for `after`, to go on from here; also where there is nothing new yet."""

    events: list[EventView]
    next: str | None


@get(
    "/v1/events",
    operation_id="listEvents",
    summary="List what happened, oldest first",
    response_description="A page of events.",
    tags=["events"],
    opt={"scope": KeyScope.READ},
    responses=documented("validation_failed"),
)
async def events(
    service: NamedDependency[Runtime],
    request: ApiRequest,
    after: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^evt_[a-z0-9_-]{1,32}_[0-9]{1,15}-[0-9]{1,10}" + END,
            description="The id of the last event that you know; omit it to start at the oldest event.",
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT, description="How many events to answer at most.")] = LIMIT,
) -> EventList:
    """The same events that webhooks tell, for a receiver that was away or that does without webhooks. Kept for three
    days unless the settings say otherwise. The section on webhooks says what `data` holds for each type.
    """
    found = await service.stores.events.after(request.user.application, after or "", limit)
    return EventList(events=[event_view(event) for event in found], next=found[-1].id if found else after)
