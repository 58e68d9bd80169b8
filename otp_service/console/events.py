"""`/console/events`: what happens, as it happens."""

from __future__ import annotations

import re

from otp_service.console.visit import Answer, Visit, page
from otp_service.domain.operators import Role
from otp_service.storage.audit import Action

SHOWN = 50
_ID = re.compile(r"evt_[a-z0-9_-]{1,32}_[0-9]{1,15}-[0-9]{1,10}")


@page("/console/events", Role.SUPPORT)
async def events(visit: Visit) -> Answer:
    application, before = visit.application, visit.query("before")
    before = before if _ID.fullmatch(before) else ""
    await visit.record_view(Action.EVENTS_VIEWED, application=application)
    found = await visit.service.stores.events.before(application, before, SHOWN)
    older = found[-1].id if len(found) == SHOWN else ""
    return visit.page("events.html", application=application, found=found, before=before, older=older)


PAGES = (events,)
