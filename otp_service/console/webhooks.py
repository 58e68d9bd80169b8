"""`/console/webhooks`: receivers of events, their state, and how to enable one again.

Those of the settings, and beside them those that callers of the Twilio facade made, who name, change and disable
them."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from otp_service import settings
from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.operators import Role
from otp_service.domain.value import Value
from otp_service.domain.webhooks import Endpoint
from otp_service.errors import Refused, Unreadable
from otp_service.storage.audit import Action
from otp_service.storage.webhooks import HookRecord
from otp_service.webhooks.receivers import WHY, send_test


class Receiver(Value):
    """One of the list. caller: what its caller named it; '' for one of the settings. enabled: as its caller has it.
    record: None where no process has begun to tell it."""

    endpoint: Endpoint
    host: str
    caller: str = ""
    enabled: bool = True
    record: HookRecord | None = None


@page("/console/webhooks")
async def webhooks(visit: Visit) -> Answer:
    return await _list(visit)


@change("/console/webhooks/{endpoint_id:str}", Role.ADMIN)
async def webhook_changed(visit: Visit) -> Answer:
    known, _ = await _known(visit)
    found = next((each for each in known if each.endpoint.id == visit.path("endpoint_id")), None)
    if found is None:
        raise Refused("not_found", "There is no such endpoint.")
    endpoint, action = found.endpoint, visit.value("action")
    match action:
        case "test" if not found.caller:  # Twilio's receivers know no event that is a test
            await visit.record(Action.WEBHOOK_TESTED, endpoint.id, application=endpoint.application)
            _, answer = await send_test(visit.service.settings, endpoint)
            return await _list(visit, (endpoint.id, str(answer.status) if answer.status else WHY[answer.why]))
        case "enable" | "replay_parked" if found.enabled:
            parked = action == "replay_parked"
            details: dict[str, str | int] = {"start": "", "parked": int(parked)}
            details["application"] = endpoint.application
            await visit.record(Action.WEBHOOK_REPLAYED, endpoint.id, **details)
            await visit.service.stores.webhooks.replay(endpoint, parked=parked)
            return visit.go("/console/webhooks", done=action)
        case _:
            raise Refused("validation_failed", "There is no such action.")


async def _list(visit: Visit, tested: tuple[str, str] = ("", "")) -> Answer:
    known, unread = await _known(visit)
    return visit.page("webhooks.html", rows=known, unread=unread, tested=tested, nothing=HookRecord())


async def _known(visit: Visit) -> tuple[list[Receiver], list[str]]:
    """All of them, and the applications of which what callers made cannot be read."""
    found = [
        Receiver(endpoint, urlsplit(endpoint.url).hostname or "")
        for endpoint in settings.webhook_endpoints(visit.service.settings).values()
    ]
    unread = []
    for application in visit.applications:
        try:
            for name, endpoint, enabled in await visit.service.callers_webhooks.made(application):
                found.append(Receiver(endpoint, urlsplit(endpoint.url).hostname or "", name or endpoint.id, enabled))
        except (Unreadable, LookupError, ValueError):
            unread.append(application)
    records = await visit.service.stores.webhooks.read([each.endpoint for each in found]) if found else []
    return [msgspec.structs.replace(each, record=record) for each, record in zip(found, records, strict=True)], unread


PAGES = (webhooks, webhook_changed)
