"""Services: the application's own, made by the settings, and profiles of it that callers make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import BEGINNING, Caller, Service, answer, gone, needs, now, opened, profile
from otp_service.api.twilio.errors import FIXED_BY_SETTINGS, TwilioRefused, invalid, not_found
from otp_service.api.twilio.pages import page
from otp_service.domain import sids, texts
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime

SERVICES = "/twilio/v2/Services"
SERVICE = f"{SERVICES}/{{va:str}}"
MOST_PROFILES = 20
FAMILY = "service:"
FLAGS = {
    "lookup_enabled": ("LookupEnabled", False),
    "psd2_enabled": ("Psd2Enabled", False),
    "skip_sms_to_landlines": ("SkipSmsToLandlines", True),
    "dtmf_input_required": ("DtmfInputRequired", False),
    "do_not_share_warning_enabled": ("DoNotShareWarningEnabled", True),
    "custom_code_enabled": ("CustomCodeEnabled", False),
    "verify_event_subscription_enabled": ("VerifyEventSubscriptionEnabled", False),
}
"""Stored and shown; the settings of the application decide about what they stand for."""
TOTP = {
    "time_step": ("Totp.TimeStep", 20, 60, 30),
    "code_length": ("Totp.CodeLength", 3, 8, 6),
    "skew": ("Totp.Skew", 0, 2, 1),
}


@post(SERVICES, status_code=201, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def create(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    """A profile: a brand and a length of codes of its own, everything else the application's."""
    caller = await opened(request, service)
    caller.form.needed("FriendlyName")
    made = {**_document(caller, {}), "date_created": now()}
    sid = sids.drawn("VA")
    if (
        await service.stores.twilio.put(caller.application, FAMILY + sid, made, FAMILY, MOST_PROFILES, new=True)
        == "full"
    ):
        raise invalid("FriendlyName", f"an application has at most {MOST_PROFILES} services of its callers")
    return answer(_view(caller, profile(sid, made)), 201)


@get(SERVICES, include_in_schema=False, opt=needs(KeyScope.READ))
async def all_of(request: ApiRequest, service: NamedDependency[Runtime]) -> Response[bytes]:
    caller = await opened(request, service)
    things = await service.stores.twilio.things(caller.application, anew=True)
    made = [profile(name.removeprefix(FAMILY), one) for name, one in things.items() if name.startswith(FAMILY)]
    made.sort(key=lambda one: (one.document["date_created"], one.sid))
    return page(caller, "services", [_view(caller, one) for one in [caller.own, *made]])


@get(SERVICE, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    return answer(_view(caller, await caller.service(va)))


@post(SERVICE, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def update(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await _profile(caller, va)
    changed = {**meant.document, **_document(caller, meant.document)}
    if (
        await service.stores.twilio.put(caller.application, FAMILY + meant.sid, changed, FAMILY, 0, new=False)
        == "absent"
    ):
        raise not_found()
    return answer(_view(caller, profile(meant.sid, changed)))


@delete(SERVICE, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def remove(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    """Its pending verifications end as canceled, and what was made below it goes with it."""
    caller = await opened(request, service)
    meant = await _profile(caller, va)
    things = await service.stores.twilio.things(caller.application, anew=True)
    limits = [one["sid"] for name, one in things.items() if name.startswith(f"limit:{meant.sid}:")]
    below = (f"limit:{meant.sid}:", f"webhook:{meant.sid}:", *(f"bucket:{one}:" for one in limits))
    names = [name for name in things if name.startswith(below)]
    await service.stores.twilio.drop(caller.application, FAMILY + meant.sid, *names)
    await service.of_services.cancel_all(caller.application, meant.sid)
    return gone()


async def _profile(caller: Caller, va: str) -> Service:
    meant = await caller.service(va)
    if meant.own:
        raise TwilioRefused(FIXED_BY_SETTINGS, "insufficient_scope")
    return meant


def _document(caller: Caller, known: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says, over what is known."""
    form, before = caller.form, dict(known.get("totp", {}))
    name = form.text("FriendlyName", 1, 32) or known.get("friendly_name", "")
    if texts.brand_fault(name):
        raise invalid("FriendlyName", "braces and unprintable characters have no place in it")
    totp = {"issuer": form.text("Totp.Issuer", 1, 64) or before.get("issuer", name)}
    for key, (field, least, most, default) in TOTP.items():
        totp[key] = form.number(field, least, most, before.get(key, default))
    return {
        "friendly_name": name,
        "code_length": form.number("CodeLength", 4, 10, known.get("code_length", caller.policy.code_length)),
        **{key: form.flag(field, known.get(key, default)) for key, (field, default) in FLAGS.items()},
        "tts_name": form.text("TtsName", 1, 40) or known.get("tts_name"),
        "default_template_sid": form.text("DefaultTemplateSid", 34, 34) or known.get("default_template_sid"),
        "totp": totp,
        "date_updated": now(),
    }


def _view(caller: Caller, meant: Service) -> dict[str, Any]:
    url, kept = caller.url("Services", meant.sid), meant.document
    flags = {key: kept.get(key, default) for key, (_, default) in FLAGS.items()}
    if meant.own:
        flags["custom_code_enabled"] = caller.policy.twilio.custom_code
    return {
        "sid": meant.sid,
        "account_sid": caller.account_sid,
        "friendly_name": meant.brand,
        "code_length": meant.code_length,
        **flags,
        "tts_name": kept.get("tts_name"),
        "push": {},
        "totp": kept.get("totp")
        or {"issuer": meant.brand, "time_step": 30, "code_length": 6, "skew": caller.policy.totp_window},
        "whatsapp": {},
        "default_template_sid": kept.get("default_template_sid"),
        "date_created": kept.get("date_created", BEGINNING),
        "date_updated": kept.get("date_updated", BEGINNING),
        "url": url,
        "links": {
            "verification_checks": f"{url}/VerificationCheck",
            "verifications": f"{url}/Verifications",
            "rate_limits": f"{url}/RateLimits",
            "entities": f"{url}/Entities",
            "webhooks": f"{url}/Webhooks",
            "messaging_configurations": f"{url}/MessagingConfigurations",
            "access_tokens": f"{url}/AccessTokens",
        },
    }


HANDLERS = [create, all_of, fetch, update, remove]
