"""`/console/settings`: what is in force, without its secrets, and what `otp-service doctor` says of it."""

from __future__ import annotations

from otp_service.console.visit import Answer, Visit, page
from otp_service.domain.operators import Role
from otp_service.settings.shown import shown


@page("/console/settings", Role.ADMIN)
async def settings(visit: Visit) -> Answer:
    return visit.page("settings.html", sections=shown(visit.service.settings), findings=None)


@page("/console/settings/findings", Role.ADMIN)
async def findings(visit: Visit) -> Answer:
    """It asks Redis and every gateway, which may take seconds."""
    found = [finding async for finding in visit.console.examine()]
    return visit.page("settings.html", sections=shown(visit.service.settings), findings=found)


PAGES = (settings, findings)
