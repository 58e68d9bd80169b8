"""The sandbox as one ASGI application: gateways, control API, pages, and the fault layer around them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp

from otp_service.errors import SettingsError
from otp_service.sandbox.callbacks import Callbacks
from otp_service.sandbox.cascades import catch_up
from otp_service.sandbox.control import control
from otp_service.sandbox.fault_layer import FaultLayer
from otp_service.sandbox.gateways import OPERATIONS
from otp_service.sandbox.gateways.endpoint import endpoint
from otp_service.sandbox.pages import pages
from otp_service.sandbox.pages.demo_sessions import DemoSessions
from otp_service.sandbox.pages.service import Service
from otp_service.sandbox.state import Sandbox


def create_sandbox(
    *,
    seed: str | None = None,
    speed: float = 1,
    callbacks_anywhere: bool = False,
    service_url: str = "http://127.0.0.1:8000",
    api_key: str = "",
    mail_at: tuple[str, int] | None = None,
) -> ASGIApp:
    """seed: makes codes repeatable. speed: the clock's seconds per real second. service_url, api_key: of the demo page.

    mail_at: host and port at which mail is taken; None for none.
    callbacks_anywhere: whether reports (X5) may leave this machine.

    Works in-process too (httpx.ASGITransport), but for faults that break the connection; due reports then wait for
    `/_sim/clock/advance`.
    Raises SettingsError in production: it hands out accounts, codes and money to whoever asks.
    """
    if os.environ.get("OTP__SERVICE__ENVIRONMENT") == "production":
        raise SettingsError("service.environment is production: the sandbox does not start there.")
    sandbox = Sandbox(seed, speed)
    callbacks = Callbacks(sandbox, anywhere=callbacks_anywhere)
    service = Service(service_url, api_key)
    sessions = DemoSessions()

    async def catch_up_first(_: Request[Any, Any, Any]) -> None:
        catch_up(sandbox)

    @asynccontextmanager
    async def run_callbacks(_: Litestar) -> AsyncIterator[None]:
        running = asyncio.create_task(callbacks.run())
        mails = None
        if mail_at:
            from otp_service.sandbox.mail import listen

            mails = await listen(sandbox, *mail_at)
        yield
        if mails:
            mails.close()
        running.cancel()
        await asyncio.wait([running])
        await callbacks.close()
        await service.close()

    app = Litestar(
        route_handlers=[control, pages, *(endpoint(operation) for operation in OPERATIONS)],
        dependencies={
            "callbacks": Provide(lambda: callbacks, sync_to_thread=False),
            "sandbox": Provide(lambda: sandbox, sync_to_thread=False),
            "service": Provide(lambda: service, sync_to_thread=False),
            "sessions": Provide(lambda: sessions, sync_to_thread=False),
        },
        before_request=catch_up_first,
        lifespan=[run_callbacks],
        openapi_config=None,
        logging_config=None,
    )
    return FaultLayer(app, sandbox)
