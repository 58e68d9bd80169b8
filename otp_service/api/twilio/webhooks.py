"""Webhooks that callers make: told by the same steps as those of the settings, in Twilio's words and signature."""

from __future__ import annotations

from typing import Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import Caller, Service, Thing, answer, gone, needs, now, opened
from otp_service.api.twilio.errors import NOT_SUPPORTED, TwilioRefused, invalid, not_found
from otp_service.api.twilio.pages import page
from otp_service.domain import sids
from otp_service.domain.scopes import KeyScope
from otp_service.errors import SettingsError
from otp_service.runtime import Runtime
from otp_service.settings import check_url
from otp_service.webhooks.of_callers import FAMILY, MOST, TYPES

WEBHOOKS = "/twilio/v2/Services/{va:str}/Webhooks"
WEBHOOK = f"{WEBHOOKS}/{{yw:str}}"


@post(WEBHOOKS, status_code=201, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def create(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    if caller.policy.twilio.auth_token is None:
        raise TwilioRefused(NOT_SUPPORTED, "not_supported")
    caller.form.needed("FriendlyName")
    caller.form.needed("EventTypes")
    caller.form.needed("WebhookUrl")
    made = {"sid": sids.drawn("YW"), "date_created": now(), **_document(caller, meant, {})}
    name = f"{FAMILY}{meant.sid}:{made['sid']}"
    if await service.stores.twilio.put(caller.application, name, made, FAMILY, MOST, new=True) == "full":
        raise invalid("WebhookUrl", f"an application has at most {MOST} webhooks")
    await service.callers_webhooks.begin(caller.application, made)
    return answer(_view(caller, meant, made), 201)


@get(WEBHOOKS, include_in_schema=False, opt=needs(KeyScope.READ))
async def all_of(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await caller.made(f"{FAMILY}{meant.sid}:")
    return page(caller, "webhooks", [_view(caller, meant, one) for one in found])


@get(WEBHOOK, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], yw: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_view(caller, meant, await _of(caller, meant, yw)))


@post(WEBHOOK, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def update(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], yw: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    known = await _of(caller, meant, yw)
    changed = {**known, **_document(caller, meant, known)}
    name = f"{FAMILY}{meant.sid}:{yw}"
    if await service.stores.twilio.put(caller.application, name, changed, FAMILY, 0, new=False) == "absent":
        raise not_found()
    await service.callers_webhooks.begin(caller.application, changed)
    return answer(_view(caller, meant, changed))


@delete(WEBHOOK, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def remove(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], yw: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    await _of(caller, meant, yw)
    await service.stores.twilio.drop(caller.application, f"{FAMILY}{meant.sid}:{yw}")
    return gone()


def _document(caller: Caller, meant: Service, known: Thing) -> dict[str, Any]:
    form = caller.form
    types = [each for each in form.every("EventTypes") if each] or list(known.get("event_types", ()))
    if any(each not in TYPES and each != "*" for each in types) or len(types) > len(TYPES) + 1:
        raise invalid("EventTypes", f"some of *, {', '.join(TYPES)}")
    url = form.get("WebhookUrl") or str(known.get("webhook_url", ""))
    try:
        check_url(url, "WebhookUrl", caller.runtime.settings.webhooks.allow_networks)
    except SettingsError as error:
        raise invalid("WebhookUrl", str(error).removeprefix("WebhookUrl: ")) from None
    return {
        "friendly_name": form.text("FriendlyName", 1, 64) or known.get("friendly_name", ""),
        "event_types": types,
        "webhook_url": url,
        "status": form.word("Status", "enabled", "disabled") or known.get("status", "enabled"),
        "version": form.word("Version", "v1", "v2") or known.get("version", "v2"),
        "account_sid": caller.account_sid,
        "service_sid": meant.sid,
        "date_updated": now(),
    }


async def _of(caller: Caller, meant: Service, yw: str) -> Thing:
    found = (await caller.runtime.stores.twilio.things(caller.application, anew=True)).get(f"{FAMILY}{meant.sid}:{yw}")
    if found is None:
        raise not_found()
    return found


def _view(caller: Caller, meant: Service, found: Thing) -> dict[str, Any]:
    return {
        "sid": found["sid"],
        "service_sid": meant.sid,
        "account_sid": caller.account_sid,
        "friendly_name": found["friendly_name"],
        "event_types": found["event_types"],
        "status": found["status"],
        "version": found["version"],
        "webhook_url": found["webhook_url"],
        "webhook_method": "POST",
        "date_created": found["date_created"],
        "date_updated": found["date_updated"],
        "url": caller.url("Services", meant.sid, "Webhooks", found["sid"]),
    }


HANDLERS = [create, all_of, fetch, update, remove]
