"""`otp-service serve`: the service on OTP_HOST and OTP_PORT until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

import structlog
import uvicorn

from otp_service import logs, settings
from otp_service.api.protocol import Protocol
from otp_service.app import create_app, open_service
from otp_service.cli.development import port
from otp_service.errors import SettingsError
from otp_service.service import Service
from otp_service.settings import Settings

GRACE_SECONDS = 15
OnReady = Callable[[Service, str], None]

log = structlog.get_logger()


def main(_: argparse.Namespace) -> int:
    found = settings.load(os.environ)
    configure_logs(found)
    serve(
        found,
        os.environ,
        lambda service, url: log.info("serving", url=url, applications=[*service.settings.applications]),
    )
    return 0


def configure_logs(found: Settings) -> None:
    logs.configure(
        readable=found.service.environment == "development",
        level=os.environ.get("OTP_LOG_LEVEL", "INFO"),
        credentials=found.credentials,
    )


def serve(found: Settings, environ: Mapping[str, str], on_ready: OnReady, *, alone: bool = False) -> None:
    """Run until SIGINT or SIGTERM; requests under way get 15 s to end. alone: a worker and no API.

    Raises SettingsError.
    """
    host = environ.get("OTP_HOST", "127.0.0.1")
    listener = _bind(host, port(environ, "OTP_PORT", 8000))
    with listener, asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(_serve(found, listener, on_ready, alone))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # not made for Windows
        return None
    return uvloop.new_event_loop


async def _serve(found: Settings, listener: socket.socket, on_ready: OnReady, alone: bool) -> None:
    async with open_service(found, worker=alone or found.worker.in_serve) as service:
        config = uvicorn.Config(
            create_app(service, api=not alone),
            http=Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=16 * 1024,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        # uvicorn raises the signal again once it has stopped; after a clean stop there is nothing left to do for it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await _Server(config, service, on_ready).serve(sockets=[listener])
    log.info("stopped")


class _Server(uvicorn.Server):
    """Says when it listens; on the first signal tells readiness, so that a balancer stops sending here."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: OnReady) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, number = self.servers[0].sockets[0].getsockname()[:2]
        self._on_ready(self._service, f"http://{host}:{number}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stopping.set()
        super().handle_exit(sig, frame)


def _bind(host: str, number: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
    except socket.gaierror as error:
        raise SettingsError(f"OTP_HOST: {host!r} is no address of this machine: {error.strerror}") from None
    except OSError as error:
        raise SettingsError(
            f"OTP_PORT: cannot listen on {host}:{number}: {error.strerror}. Choose another, for example OTP_PORT=8080"
        ) from None
    return listener
