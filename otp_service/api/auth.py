"""Who calls, and whether that key may do this here: `Authorization: Bearer <api key>`."""

from __future__ import annotations

import structlog
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import Scope

from otp_service.api.addresses import client_address
from otp_service.errors import Refused
from otp_service.storage.api_keys import ApiKey, ApiKeyStore

PUBLIC = "public"
"""Marks a handler that needs no key: `opt={"public": True}`."""
SCOPE = "scope"
"""Says which scope a handler needs: `opt={"scope": KeyScope.SEND}`."""
NOT_OURS = "/schema"
"""Routes that the framework makes; they need no key."""


class ApiKeyAuthentication(AbstractAuthenticationMiddleware):
    """Runs before the body is decoded, so that a stranger learns nothing about the API's fields."""

    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:  # type: ignore[type-arg]
        scheme, _, presented = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise Refused("unauthorized", "Send an API key: `Authorization: Bearer <key>`.")
        keys: ApiKeyStore = connection.app.state.service.api_keys
        caller = await keys.find(presented.strip())
        if caller is None or caller.application not in connection.app.state.service.settings.applications:
            raise Refused("unauthorized", "This API key is not known here; it may have been revoked or have ended.")
        structlog.contextvars.bind_contextvars(application=caller.application, api_key=caller.id)
        _refuse_unfit(caller, connection.scope, connection.route_handler.opt[SCOPE])
        return AuthenticationResult(user=caller, auth=None)


def refuse_open_doors(app: Litestar) -> None:
    """Raises LookupError for a handler that says neither which scope it needs nor that it is public."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            of_framework = route.path.startswith(NOT_OURS) or handler.http_methods == {"OPTIONS"}
            if not of_framework and not {PUBLIC, SCOPE} & handler.opt.keys():
                raise LookupError(f"{route.path}: its handler names no scope")


def _refuse_unfit(caller: ApiKey, scope: Scope, needed: str) -> None:
    if not caller.grant.may_be_used_from(client_address(scope)):
        raise Refused("network_not_allowed", "This API key may not be used from this address.")
    if needed not in caller.grant.scopes:
        raise Refused(
            "insufficient_scope", f"This API key does not have the scope `{needed}`.", extra={"scope": str(needed)}
        )
