"""The sandbox as one ASGI application: gateways, control API, pages, and the fault layer around them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp

from otp_service.errors import SettingsError
from otp_service.sandbox.control import control
from otp_service.sandbox.fault_layer import FaultLayer
from otp_service.sandbox.gateways import OPERATIONS
from otp_service.sandbox.gateways.endpoint import endpoint
from otp_service.sandbox.pages import pages
from otp_service.sandbox.pages.demo_sessions import DemoSessions
from otp_service.sandbox.pages.service import Service
from otp_service.sandbox.sending import settle
from otp_service.sandbox.state import Sandbox


def create_sandbox(
    *, seed: str | None = None, service_url: str = "http://127.0.0.1:8000", api_key: str = ""
) -> ASGIApp:
    """seed: makes codes repeatable. service_url, api_key: what the demo page calls.

    Works in-process too (httpx.ASGITransport), but for faults that break the connection.
    Raises SettingsError in production: it hands out accounts, codes and money to whoever asks.
    """
    if os.environ.get("OTP__SERVICE__ENVIRONMENT") == "production":
        raise SettingsError("service.environment is production: the sandbox does not start there.")
    sandbox = Sandbox(seed)
    service = Service(service_url, api_key)
    sessions = DemoSessions()

    async def settle_first(_: Request[Any, Any, Any]) -> None:
        settle(sandbox)

    @asynccontextmanager
    async def close_service(_: Litestar) -> AsyncIterator[None]:
        yield
        await service.close()

    app = Litestar(
        route_handlers=[control, pages, *(endpoint(operation) for operation in OPERATIONS)],
        dependencies={
            "sandbox": Provide(lambda: sandbox, sync_to_thread=False),
            "service": Provide(lambda: service, sync_to_thread=False),
            "sessions": Provide(lambda: sessions, sync_to_thread=False),
        },
        before_request=settle_first,
        lifespan=[close_service],
        openapi_config=None,
        logging_config=None,
    )
    return FaultLayer(app, sandbox)
