"""`/console/status/…`: what happened to one verification, for who develops with the demo shop. Not in production."""

from __future__ import annotations

from otp_service.console.people import moments
from otp_service.console.visit import Answer, Visit, page
from otp_service.domain.recipients import mask
from otp_service.errors import Refused


@page("/console/status/{verification_id:str}", None)
async def status(visit: Visit) -> Answer:
    settings, stores = visit.service.settings, visit.service.stores
    name = visit.path("verification_id")
    if settings.service.environment != "development" or stores.names.locate(name) is None:
        raise Refused("not_found", visit.say("no_verification"))
    for application in settings.applications:
        stored = await stores.verifications.read(name, application)
        if stored.word == "ok":
            found = stored.verification
            arrived = any(message.status == "delivered" for message in found.messages)
            left = any(message.status.may_have_left for message in found.messages)
            funnel = [("started", True), ("sent", left), ("arrived", arrived), ("approved", found.status == "approved")]
            return visit.page("status.html", one=found, phone=mask(found.phone), moments=moments(found), funnel=funnel)
    raise Refused("not_found", visit.say("no_verification"))


PAGES = (status,)
