"""One process that serves on a socket until a signal comes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from types import FrameType

import structlog
import uvicorn
from litestar.handlers import HTTPRouteHandler

from otp_service.api.edge.connections import Door
from otp_service.api.edge.protocol import served_by
from otp_service.app import create_app, open_service
from otp_service.cli.accepting import Acceptor, Shares
from otp_service.cli.listening import listen, url_of
from otp_service.cli.open_files import connections_that_fit
from otp_service.gateways.base import Finding
from otp_service.runtime import Runtime
from otp_service.settings import Settings

SWITCH_SECONDS = 0.0001
"""After which a thread of the hash pool that has finished gets the interpreter; by default its core idles for 5 ms."""
YOUNG_OBJECTS = 10_000
"""The collector looks for garbage when so many more objects exist than at its last look. The default of 700 is reached
again and again by what a few requests hold."""
DRAIN_SECONDS = 12.5
"""For requests under way, once nothing new is taken; the rest of 15 s is for the delay before and the closing after."""
FIRST_WORD_SECONDS = 0.02
"""For the requests of those who connected in the moment of a stop."""
OBSERVED_EACH = 10
"""Ticks of uvicorn, ten in a second, between two looks at gauges; the process that is asked may be another."""

OnReady = Callable[[Runtime, str], Awaitable[None] | None]

log = structlog.get_logger()


def serve_on(
    found: Settings,
    listener: socket.socket,
    on_ready: OnReady,
    *,
    alone: bool = False,
    shares: Shares | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. alone: a worker and no API. shares: with other processes. Raises SettingsError."""
    with listener, asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(_serve(found, listener, on_ready, alone, shares))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ModuleNotFoundError:  # not made for Windows
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop


async def _serve(
    found: Settings, listener: socket.socket, on_ready: OnReady, alone: bool, shares: Shares | None
) -> None:
    max_connections, short = connections_that_fit(found)
    if short:
        log.warning("few_open_files", text=short)
    async with open_service(found, worker=alone or found.worker.in_serve) as service:
        door = Door(
            max_connections=max_connections,
            per_address=found.http.max_connections_per_address,
            keep_alive_seconds=found.http.keep_alive_seconds,
            trusted_proxies=found.http.trusted_proxies,
        )
        config = uvicorn.Config(
            create_app(service, api=not alone, more=() if alone else _console(service)),
            http=served_by(door),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,  # type: ignore[arg-type]  # handed on to asyncio as it is
        )
        # uvicorn raises the signal again once it has stopped; after a clean stop there is nothing left to do for it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await _Server(config, service, on_ready, listener, shares).serve(sockets=[])
    log.info("stopped")


def _console(service: Runtime) -> Sequence[HTTPRouteHandler]:
    """The operator's pages; where there are none, nothing of them is imported."""
    if not service.settings.console.enabled:
        return ()
    from otp_service.console.opening import routes

    async def examine() -> AsyncIterator[Finding]:
        from otp_service.cli.doctor import findings  # when somebody asks

        async for finding in findings(service.settings, os.environ):
            yield finding

    return routes(service, examine)


class _Server(uvicorn.Server):
    """Says when it listens. On SIGTERM it tells readiness, serves on for a moment, so that balancers stop sending
    here, and only then closes its socket and lets requests under way end. A second signal, or Ctrl-C, does not wait."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Runtime,
        on_ready: OnReady,
        listener: socket.socket,
        shares: Shares | None,
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready
        self._listener = listener
        self._shares = shares
        self._acceptor: Acceptor
        self._leaves_at = float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        await super().startup(sockets)
        self._accept()
        self._service.load.follow()
        # What is here now stays; looking at all of it again and again would stop everything for 50 ms each time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
        told = self._on_ready(self._service, url_of(self._listener))
        if told is not None:
            await told

    def _accept(self) -> None:
        """From now on, with protocols as uvicorn's own servers make them."""
        state = self.server_state
        made: Callable[..., asyncio.BaseProtocol] = self.config.http_protocol_class
        protocol = partial(made, config=self.config, server_state=state, app_state=self.lifespan.state)
        listen(self._listener, self.config.backlog)
        self._acceptor = Acceptor(
            self._listener, self.config.backlog, protocol, state.connections.__len__, self._shares
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Who was accepted just now has its request read, and is told of the end as all others are: one that were not
        would be waited for until the time for requests under way is over."""
        await self._acceptor.close()
        await asyncio.sleep(FIRST_WORD_SECONDS)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        self._acceptor.tell()
        if counter % OBSERVED_EACH == 0:
            self._service.observe()
        return await super().on_tick(counter) or time.monotonic() >= self._leaves_at

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        waits = sig == signal.SIGTERM and not self._service.stopping.is_set()
        self._service.stopping.set()
        if waits:
            self._leaves_at = time.monotonic() + self._service.settings.service.stop_delay_seconds
        else:
            super().handle_exit(sig, frame)
