"""Who calls, and whether that key may do this here: `Authorization: Bearer <api key>`."""

from __future__ import annotations

import base64

import structlog
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import Scope

from otp_service import load
from otp_service.api.edge.client_address import client_address
from otp_service.api.edge.connections import vouch
from otp_service.errors import Refused
from otp_service.runtime import Runtime
from otp_service.storage.api_keys import ApiKey

PUBLIC = "public"
"""Marks a handler that needs no key: `opt={"public": True}`."""
BASIC = "basic"
"""Marks a handler whose callers send the key as the password of Basic authentication."""
SCOPE = "scope"
"""Says which scope a handler needs: `opt={"scope": KeyScope.SEND}`."""
NOT_OURS = "/schema"
"""Routes that the framework makes; they need no key."""


class ApiKeyAuthentication(AbstractAuthenticationMiddleware):
    """Runs before the body is decoded, so that a stranger learns nothing about the API's fields."""

    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:  # type: ignore[type-arg]
        opt, given = connection.route_handler.opt, connection.headers.get("authorization", "")
        presented = password(given) if opt.get(BASIC) else bearer(given)
        needed = opt[SCOPE] if isinstance(opt[SCOPE], tuple) else (opt[SCOPE],)
        caller = await authenticate(connection.app.state.service, presented, connection.scope, *needed)
        return AuthenticationResult(user=caller, auth=None)


async def authenticate(service: Runtime, presented: str, scope: Scope, *needed: str) -> ApiKey:
    """Whose API key this is, if it may do one of what is `needed` from where it is used. Raises Refused."""
    caller = await service.stores.api_keys.find(presented) if presented else None
    if caller is None or caller.application not in service.settings.applications:
        raise Refused("unauthorized", "This API key is not known here; it may have been revoked or have expired.")
    vouch(scope)
    load.begin()
    structlog.contextvars.bind_contextvars(application=caller.application, api_key=caller.id)
    if not caller.grant.may_be_used_from(client_address(scope)):
        raise Refused("network_not_allowed", "This API key may not be used from this address.")
    require(caller, *needed)
    return caller


def bearer(given: str) -> str:
    """The key of `Authorization: Bearer …`. Raises Refused `unauthorized` where it is nothing of the kind."""
    scheme, _, key = given.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused("unauthorized", "Send an API key: `Authorization: Bearer <key>`.")
    return key.strip()


def basic(given: str) -> tuple[str, str]:
    """User and password of `Authorization: Basic …` (RFC 7617); empty where it is nothing of the kind."""
    scheme, _, encoded = given.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, secret


def password(given: str) -> str:
    return basic(given)[1]


def require_scopes(app: Litestar) -> None:
    """Raises LookupError for a handler that says neither which scope it needs nor that it is public."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            of_framework = route.path.startswith(NOT_OURS) or handler.http_methods == {"OPTIONS"}
            if not of_framework and not {PUBLIC, SCOPE} & handler.opt.keys():
                raise LookupError(f"{route.path}: its handler names no scope")


def require(caller: ApiKey, *needed: str) -> None:
    """Raises Refused `insufficient_scope` where it has none of these scopes."""
    if caller.grant.scopes.isdisjoint(needed):
        raise Refused(
            "insufficient_scope",
            f"This API key does not have the scope `{needed[0]}`.",
            extra={"scope": str(needed[0])},
        )
