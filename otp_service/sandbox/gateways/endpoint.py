"""From HTTP to an operation and back: one Litestar route for each."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from otp_service.sandbox.callbacks import Callbacks
from otp_service.sandbox.gateways.operation import Call, Operation
from otp_service.sandbox.state import Sandbox


def endpoint(operation: Operation) -> HTTPRouteHandler:
    """HTTP 200 whatever the outcome: no document mentions another. GET too: K shows it, X then misses its POST data."""

    @route(operation.path, http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
    async def answer(
        request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox], callbacks: NamedDependency[Callbacks]
    ) -> Response[bytes]:
        body = await request.body()
        authorization = request.headers.get("authorization", "")
        # UTF-8 (ours: K names no encoding); a form field wins over the query, as in PHP's $_REQUEST.
        fields = parse_qsl(request.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            fields += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        call = Call(body, dict(fields), request.scope["state"].get("fault"), authorization)
        sandbox.scenarios.take_lost()  # of what left while others asked
        answered = operation.run(sandbox, call)
        request.scope["state"]["lost"] = sandbox.scenarios.take_lost()
        request.scope["state"]["asked"].outcome = answered.outcome
        await callbacks.send_early()
        return Response(answered.body.encode(), headers={"Content-Type": f"{operation.media_type}; charset=utf-8"})

    return answer
