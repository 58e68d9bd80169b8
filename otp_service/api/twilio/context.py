"""Who calls, which of the application's services is meant, and how an answer is put together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response

from otp_service.api.auth import BASIC, SCOPE, basic
from otp_service.api.requests import ApiRequest, parse_idempotency_key
from otp_service.api.twilio import forms
from otp_service.api.twilio.errors import VERSION, not_found
from otp_service.api.twilio.forms import Form
from otp_service.domain import sids
from otp_service.domain.value import Value
from otp_service.errors import Refused
from otp_service.runtime import Runtime
from otp_service.settings import Application

BEGINNING = "2026-01-01T00:00:00Z"
"""Creation time that is shown for what the settings define, since nobody recorded one."""
_USER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")


Thing = Mapping[str, Any]
"""A document that a caller of the facade made, as it is stored."""


class Service(Value):
    """What Twilio calls so: the application itself, or a profile of it with a brand and a length of codes."""

    sid: str
    brand: str
    code_length: int
    own: bool
    """The application's, made by the settings."""
    document: Mapping[str, Any]
    """What was said of a profile when it was made or changed."""


class Caller(Value):
    """One request of the facade."""

    request: Any
    runtime: Runtime
    application: str
    policy: Application
    account_sid: str
    form: Form

    @property
    def names(self) -> Any:
        return self.runtime.stores.names

    @property
    def base(self) -> str:
        return self.runtime.settings.service.public_url.rstrip("/") + VERSION

    @property
    def idempotency_key(self) -> str:
        return parse_idempotency_key(self.request.headers.get("idempotency-key"))

    async def service(self, given: str) -> Service:
        """By its SID or, the application's own, by its name. Raises Refused 404."""
        if given in (self.own.sid, self.application):
            return self.own
        for anew in (False, True):
            found = (await self.runtime.stores.twilio.things(self.application, anew=anew)).get(f"service:{given}")
            if found:
                return profile(given, found)
        raise not_found()

    async def made(self, family: str) -> list[Thing]:
        """What callers made whose name begins so, oldest first."""
        things = await self.runtime.stores.twilio.things(self.application, anew=True)
        found = [thing for name, thing in things.items() if name.startswith(family)]
        return sorted(found, key=lambda thing: (thing["date_created"], thing["sid"]))

    @property
    def own(self) -> Service:
        sid = self.policy.twilio.service_sid or sids.named("VA", "service", self.application)
        return Service(sid, self.policy.brand, self.policy.code_length, True, {})

    def url(self, *parts: str) -> str:
        return "/".join([self.base, *(quote(part, safe="+") for part in parts)])


def profile(sid: str, document: Mapping[str, Any]) -> Service:
    return Service(sid, document["friendly_name"], document["code_length"], False, document)


async def opened(request: ApiRequest, runtime: Runtime) -> Caller:
    """Raises Refused: the facade is off, a foreign account, a body that is no form."""
    application = request.user.application
    policy = runtime.settings.applications[application]
    user, configured = basic(request.headers.get("authorization", ""))[0], policy.twilio.account_sid
    if not _USER.fullmatch(user) or (configured and user.startswith("AC") and user != configured):
        raise Refused("unauthorized", "This account is not the application's.")
    of_user = user if _ACCOUNT.fullmatch(user) else ""
    account = configured or of_user or sids.named("AC", "account", application)
    if not policy.twilio.enabled:
        raise not_found()
    if request.method == "GET":
        form = forms.query(request.scope["query_string"])
    else:
        form = forms.parsed(await request.body(), request.headers.get("content-type", forms.MEDIA_TYPE))
    return Caller(request, runtime, application, policy, account, form)


def answer(document: Any, status: int = 200, verification_id: str = "") -> Response[bytes]:
    headers = {"X-OTP-Verification-Id": verification_id} if verification_id else {}
    return Response(msgspec.json.encode(document), status_code=status, media_type="application/json", headers=headers)


def gone() -> Response[bytes]:
    return Response(b"", status_code=204, media_type="application/json")


def time_of(milliseconds: float) -> str:
    """The one form that Twilio's Python client understands."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def needs(*scopes: str) -> dict[str, Any]:
    """`opt` of a handler. scopes: one of these is needed."""
    return {SCOPE: scopes, BASIC: True}
