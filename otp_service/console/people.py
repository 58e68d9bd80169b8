"""`/console/find` and `/console/verifications/…`: what happened to the person on the phone, and what helps.

A phone or a subject is sent in the body alone: addresses of pages end up in histories and logs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain import recipients
from otp_service.domain.factors import Overview
from otp_service.domain.operators import Role
from otp_service.domain.timeline import timeline
from otp_service.domain.verifications import Verification, inside
from otp_service.errors import Refused
from otp_service.storage.audit import Action
from otp_service.storage.erasure import erase
from otp_service.storage.refusals import Refusal

SHOWN = 50
"""Verifications of one search."""
LONGEST = 200
"""Characters of what is searched for."""
ACTIONS: Mapping[str, Role] = {
    "unlock": Role.SUPPORT,
    "unlock_subject": Role.SUPPORT,
    "remove_factor": Role.SUPPORT,
    "erase": Role.ADMIN,
    "cancel": Role.SUPPORT,
    "resend": Role.SUPPORT,
}
"""What may be done to a person or a verification, and by whom."""


@page("/console/find", Role.SUPPORT)
async def find(visit: Visit) -> Answer:
    return visit.page("find.html", application=visit.application, asked="", found=None)


@change("/console/find", Role.SUPPORT)
async def found(visit: Visit) -> Answer:
    asked = visit.value("q")[:LONGEST]
    if action := visit.value("action"):
        await _act(visit, action)
    if not asked:
        return await find.show(visit)
    application = visit.application
    if visit.service.stores.names.locate(inside(asked) or asked):
        return visit.go(f"/console/verifications/{asked}")
    persons: list[tuple[str, Overview]] = []
    verifications: list[Verification] = []
    refusals: Sequence[Refusal] = ()
    searched_back_to = 0
    e164 = _phone_in(visit, application, asked)
    if e164:
        await visit.record(Action.PERSON_VIEWED, _index(visit, application, e164), application=application, by="phone")
        verifications = await visit.service.lookup.of_phone(application, e164, deliveries=True)
        refusals = await visit.service.stores.refusals.of_phone(application, _index(visit, application, e164))
    # What reads like a phone or an address may be a subject or a reference, too. To look for a reference is dear: where
    # a phone has verifications, nobody does.
    none_yet = not verifications
    overview = await visit.service.factors.overview(application, asked)
    if overview.totp or overview.backup_codes or overview.phones:
        persons.append((asked, overview))
    if persons or none_yet:
        place = visit.service.stores.names.subject(application, asked)
        await visit.record(Action.PERSON_VIEWED, place.index, application=application, by="subject or reference")
    for proved in overview.phones[:3]:
        if proved.e164 != e164:
            verifications += await visit.service.lookup.of_phone(application, proved.e164, deliveries=True)
    if none_yet:
        ids, searched_back_to = await visit.service.stores.events.of_reference(application, asked)
        known = {each.id for each in verifications}
        verifications += [each for name in ids if name not in known and (each := await _read(visit, name))]
    shown = sorted(verifications, key=lambda each: -each.created_at)
    return visit.page(
        "find.html",
        application=application,
        asked=asked,
        found=shown[:SHOWN],
        more=len(shown) > SHOWN,
        e164=e164,
        persons=persons,
        refusals=refusals,
        searched_back_to=searched_back_to,
    )


@page("/console/verifications/{verification_id:str}", Role.SUPPORT)
async def verification(visit: Visit) -> Answer:
    one = await _read(visit, visit.path("verification_id"))
    if one is None:
        raise Refused("not_found", visit.say("no_verification"))
    await visit.record_view(Action.VERIFICATION_VIEWED, one.public_id, application=one.application)
    subject = await visit.service.factors.overview(one.application, one.subject) if one.subject else None
    return visit.page("verification.html", one=one, moments=moments(one), subject=subject)


@change("/console/verifications/{verification_id:str}", Role.SUPPORT)
async def verification_changed(visit: Visit) -> Answer:
    one = await _read(visit, visit.path("verification_id"))
    if one is None:
        raise Refused("not_found", visit.say("no_verification"))
    verifications, action = visit.service.verifications, visit.value("action")
    match action:
        case "cancel" | "resend" if one.delivery:
            raise Refused(
                "validation_failed", "A delivery belongs to its caller: it cannot be resent or canceled here."
            )
        case "cancel" | "resend" if one.status != "pending":
            raise Refused("not_pending", f"The verification is {one.status}.")
        case "cancel":
            await visit.record(Action.VERIFICATION_CANCELED, one.id, application=one.application)
            await verifications.cancel(one.application, one.id)
        case "resend":
            await visit.record(Action.VERIFICATION_RESENT, one.id, application=one.application)
            await verifications.resend(one.application, one.id)
        case "unlock":
            await _unlock(visit, one.application, one.phone)
        case _:
            raise Refused("validation_failed", "There is no such action.")
    return visit.go(f"/console/verifications/{one.public_id}", done=action)


def moments(one: Verification) -> list[dict[str, object]]:
    """The time-line for people: when, what, and of which message. Never a code."""
    told = []
    for moment in timeline(one):
        message = one.messages[moment.message - 1] if moment.message else None
        final = message is not None and moment.what == f"message.{message.status}"
        told.append({"at": moment.at, "what": moment.what.replace(".", "_"), "message": message, "final": final})
    if one.converted_at:
        told.append({"at": one.converted_at, "what": "converted", "message": None, "final": False})
    return told


async def _act(visit: Visit, action: str) -> None:
    """Raises Refused."""
    if action not in _DOES:
        raise Refused("validation_failed", "There is no such action.")
    visit.require(ACTIONS[action])
    await _DOES[action](visit, visit.application, visit.value("about")[:LONGEST])


async def _unlock(visit: Visit, application: str, about: str) -> None:
    e164, index = visit.service.admission.named(application, about)
    await visit.record(Action.PHONE_UNLOCKED, index, application=application)
    await visit.service.admission.unlock(application, e164)


async def _erase(visit: Visit, application: str, about: str) -> None:
    e164, index = visit.service.admission.named(application, about)
    await visit.record(Action.PHONE_ERASED, index, application=application)
    stores = visit.service.stores
    await erase(stores.database, stores.names, application, e164)


async def _unlock_subject(visit: Visit, application: str, about: str) -> None:
    await visit.service.factors.unlock(application, about, visit.actor)


async def _remove_factor(visit: Visit, application: str, about: str) -> None:
    await visit.service.factors.remove(application, about, visit.actor)


_DOES: Mapping[str, Callable[[Visit, str, str], Awaitable[None]]] = {
    "unlock": _unlock,
    "erase": _erase,
    "unlock_subject": _unlock_subject,
    "remove_factor": _remove_factor,
}


async def _read(visit: Visit, public_id: str) -> Verification | None:
    """Of whichever application of the settings it is, a delivery too, also by the id that it has inside."""
    found = inside(public_id) or public_id
    if visit.service.stores.names.locate(found) is None:
        return None
    stored = await visit.service.stores.verifications.read_any(found)
    known = stored.word == "ok" and stored.verification.application in visit.applications
    return stored.verification if known else None


def _phone_in(visit: Visit, application: str, asked: str) -> str:
    """'' for what nobody would take for a phone."""
    try:
        return recipients.read_any(asked, visit.service.settings.applications[application].region).text
    except Refused:
        return ""


def _index(visit: Visit, application: str, e164: str) -> str:
    return visit.service.stores.names.phone_index(application, e164)


PAGES = (find, found, verification, verification_changed)
