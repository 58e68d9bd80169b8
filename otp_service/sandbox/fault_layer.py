"""The outermost ASGI layer: notes each request to a gateway, and carries out the fault that was planned for it.

Three kinds: the connection is spoilt (`CONNECTION`), the answer is rewritten (`rewrites.py`), or the operation itself
is told (`faults.CONTENT_FAULTS`) and finds the fault in `scope["state"]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from otp_service.sandbox.connection import close_connection, reset_connection
from otp_service.sandbox.faults import CONTENT_FAULTS, Fault, FaultName
from otp_service.sandbox.gateways import OPERATIONS
from otp_service.sandbox.gateways.operation import Operation
from otp_service.sandbox.rewrites import NEED_AN_ANSWER, REWRITES, HttpAnswer
from otp_service.sandbox.state import Asked, Sandbox


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that something happens to."""

    fault: Fault
    operation: Operation
    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def process(self) -> HttpAnswer:
        """Let the operation run and keep its answer back."""
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.app(self.scope, self.receive, keep)
        start = next(message for message in sent if message["type"] == "http.response.start")
        body = b"".join(message["body"] for message in sent if message["type"] == "http.response.body")
        media_type = dict(start["headers"]).get(b"content-type", b"").decode()
        return HttpAnswer(start["status"], media_type, body)

    async def start(self, answer: HttpAnswer) -> None:
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def write(self, piece: bytes, *, more: bool) -> None:
        await self.send({"type": "http.response.body", "body": piece, "more_body": more})


LOST = Fault("processed_then_reset")


class FaultLayer:
    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox
        self._operations = {operation.path.rstrip("/"): operation for operation in OPERATIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._operations.get(scope["path"].rstrip("/")) if scope["type"] == ScopeType.HTTP else None
        if operation is None:
            await self._app(scope, receive, send)
            return
        fault = self._sandbox.faults.take(operation.name) or self._sandbox.scenarios.outage(
            operation.name, self._sandbox.clock.now()
        )
        asked = Asked(self._sandbox.clock.now(), operation.name, fault.fault if fault else "")
        self._sandbox.requests.append(asked)
        scope.setdefault("state", {})["asked"] = asked
        if fault is None and self._sandbox.scenarios.concern(operation.name):
            exchange = Exchange(LOST, operation, self._app, scope, receive, send)
            answer = await exchange.process()
            if scope["state"].get("lost"):  # as the scenario wants it
                asked.fault = LOST.fault
                await _reset(exchange)
            else:
                await exchange.start(answer)
                await exchange.write(answer.body, more=False)
        elif fault is None:
            await self._app(scope, receive, send)
        elif fault.fault in CONTENT_FAULTS:
            scope["state"]["fault"] = fault
            await self._app(scope, receive, send)
        else:
            await _carry_out(Exchange(fault, operation, self._app, scope, receive, send))


async def _carry_out(exchange: Exchange) -> None:
    name = exchange.fault.fault
    if name in CONNECTION:
        await CONNECTION[name](exchange)
        return
    untouched = HttpAnswer(200, f"{exchange.operation.media_type}; charset=utf-8", b"")
    answer = await exchange.process() if name in NEED_AN_ANSWER or exchange.fault.processed else untouched
    answer = REWRITES[name](answer, exchange.fault, exchange.operation)
    await exchange.start(answer)
    await exchange.write(answer.body, more=False)


async def _stall(exchange: Exchange) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(exchange.fault.seconds):
            while (await exchange.receive())["type"] != "http.disconnect":
                pass
    await close_connection(exchange.scope)


async def _processed_then_stall(exchange: Exchange) -> None:
    await exchange.process()
    await _stall(exchange)


async def _latency(exchange: Exchange) -> None:
    await asyncio.sleep(exchange.fault.seconds)
    await exchange.app(exchange.scope, exchange.receive, exchange.send)


async def _reset(exchange: Exchange) -> None:
    await reset_connection(exchange.scope)


async def _processed_then_reset(exchange: Exchange) -> None:
    await exchange.process()
    await _reset(exchange)


async def _cut(exchange: Exchange) -> None:
    """Content-Length promises the whole body, half of it comes."""
    answer = await exchange.process()
    await exchange.start(answer)
    await exchange.write(answer.body[: len(answer.body) // 2], more=True)
    await close_connection(exchange.scope)


async def _drip(exchange: Exchange) -> None:
    """One byte at a time, the whole body in `seconds`: no single read ever times out."""
    answer = await exchange.process()
    await exchange.start(answer)
    for index in range(len(answer.body)):
        await exchange.write(answer.body[index : index + 1], more=True)
        await asyncio.sleep(exchange.fault.seconds / len(answer.body))
    await exchange.write(b"", more=False)


CONNECTION: dict[FaultName, Callable[[Exchange], Awaitable[None]]] = {
    "stall": _stall,
    "processed_then_stall": _processed_then_stall,
    "latency": _latency,
    "reset": _reset,
    "processed_then_reset": _processed_then_reset,
    "cut": _cut,
    "drip": _drip,
}
