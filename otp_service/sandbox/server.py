"""Serving the sandbox: one process, one thread, until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
import socket

import structlog
import uvicorn

from otp_service.errors import SettingsError
from otp_service.sandbox.app import create_sandbox
from otp_service.sandbox.connection import SandboxProtocol

log = structlog.get_logger()


class SandboxServer(uvicorn.Server):
    """Says where it listens; does not wait for stalled answers when it is told to stop."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        log.info("sandbox_listening", url=f"http://{host}:{port}", demo=f"http://{host}:{port}/demo")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def serve(host: str = "127.0.0.1", port: int = 8001, mail_port: int = 0) -> None:
    """Blocks; call it from the main thread. port 0: any free one, told in the start line. mail_port 0: no mail.

    Reads OTP_SANDBOX_SEED, OTP_SANDBOX_SPEED (seconds of its clock per real second, default 1), OTP_SANDBOX_CALLBACKS
    (`loopback`, the default, or `anywhere`), OTP_SANDBOX_SERVICE_URL and OTP_SANDBOX_API_KEY. Raises SettingsError.
    """
    callbacks = os.environ.get("OTP_SANDBOX_CALLBACKS", "loopback")
    if callbacks not in ("loopback", "anywhere"):
        raise SettingsError(f"OTP_SANDBOX_CALLBACKS is {callbacks!r}: it must be loopback or anywhere.")
    app = create_sandbox(
        seed=os.environ.get("OTP_SANDBOX_SEED"),
        speed=_speed(os.environ.get("OTP_SANDBOX_SPEED", "1")),
        callbacks_anywhere=callbacks == "anywhere",
        service_url=os.environ.get("OTP_SANDBOX_SERVICE_URL", "http://127.0.0.1:8000"),
        api_key=os.environ.get("OTP_SANDBOX_API_KEY", ""),
        mail_at=(host, mail_port) if mail_port else None,
    )
    # uvicorn raises the signal again once it has stopped; after a clean stop there is nothing left to do for it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=SandboxProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    SandboxServer(config).run()


def _speed(written: str) -> float:
    """From 0.001 to 100,000."""
    try:
        speed = float(written)
    except ValueError:
        speed = 0
    if not 0.001 <= speed <= 100_000:
        raise SettingsError(f"OTP_SANDBOX_SPEED is {written!r}: it must be a number from 0.001 to 100000.")
    return speed
