"""`/console/keys`: API keys. A secret is shown once, on the page that answers the form."""

from __future__ import annotations

from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.networks import Network
from otp_service.domain.operators import Role
from otp_service.domain.scopes import DEFAULT_SCOPES, KeyScope
from otp_service.domain.secret import Secret
from otp_service.errors import Refused
from otp_service.storage.api_keys import Grant
from otp_service.storage.audit import Action

OVERLAP_SECONDS = 86_400
LIVES = (0, 30, 90, 365)
"""Days; 0 for ever."""
LONGEST_NAME = 100


@page("/console/keys", Role.ADMIN)
async def keys(visit: Visit) -> Answer:
    return await _list(visit)


@change("/console/keys", Role.ADMIN)
async def make(visit: Visit) -> Answer:
    scopes = frozenset(KeyScope(each) for each in visit.form.get("scope", ()) if each in list(KeyScope))
    try:
        networks = tuple(Network.parse(each) for each in visit.value("networks").replace(",", " ").split())
    except ValueError as error:
        raise Refused("validation_failed", str(error)) from None
    days = visit.value("days")
    if not scopes or days not in map(str, LIVES):
        raise Refused("validation_failed", "Choose what the key may do, and for how long.")
    name = visit.value("name")[:LONGEST_NAME]
    grant = Grant(visit.application, name, scopes, networks, int(days) * 86_400 or None)
    key_id, secret = await visit.service.stores.api_keys.create(grant)
    told = ",".join(sorted(scopes))
    await visit.record(Action.KEY_CREATED, key_id, application=grant.application, scopes=told)
    return await _list(visit, key_id, secret)


@change("/console/keys/{key_id:str}", Role.ADMIN)
async def key_changed(visit: Visit) -> Answer:
    store, key_id = visit.service.stores.api_keys, visit.path("key_id")
    key = await store.get(key_id)
    if key is None:
        raise Refused("not_found", "There is no such key.")
    match visit.value("action"):
        case "revoke":
            await visit.record(Action.KEY_REVOKED, key_id, application=key.application)
            await store.revoke(key_id)
            return visit.go("/console/keys", done="revoke")
        case "rotate":
            rotation = await store.rotate(key_id, OVERLAP_SECONDS)
            if rotation.secret is None:
                raise Refused("validation_failed", visit.say("not_rotated"))
            new = rotation.new_id
            await visit.record(Action.KEY_ROTATED, key_id, application=key.application, successor=new)
            return await _list(visit, new, rotation.secret)
        case _:
            raise Refused("validation_failed", "There is no such action.")


async def _list(visit: Visit, made: str = "", secret: Secret | None = None) -> Answer:
    return visit.page(
        "keys.html",
        found=await visit.service.stores.api_keys.list(),
        scopes=list(KeyScope),
        usual=DEFAULT_SCOPES,
        lives=LIVES,
        made=made,
        secret=secret.reveal() if secret else "",
    )


PAGES = (keys, make, key_changed)
