"""Who calls: `Authorization: Bearer <api key>`."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from otp_service.errors import Refused
from otp_service.storage.api_keys import ApiKey, ApiKeyStore


class ApiKeyAuthentication(AbstractAuthenticationMiddleware):
    """Runs before the body is decoded, so that a stranger learns nothing about the API's fields."""

    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:  # type: ignore[type-arg]
        scheme, _, presented = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise Refused("unauthorized", "Send an API key: `Authorization: Bearer <key>`.")
        keys: ApiKeyStore = connection.app.state.service.api_keys
        caller = await keys.find(presented.strip())
        if caller is None or caller.application not in connection.app.state.service.settings.applications:
            raise Refused("unauthorized", "This API key is not known here; it may have been revoked.")
        structlog.contextvars.bind_contextvars(application=caller.application, api_key=caller.id)
        return AuthenticationResult(user=caller, auth=None)


def caller(request: Request[ApiKey, Any, Any]) -> ApiKey:
    """The dependency of that name: the key that the request came with."""
    return request.user
