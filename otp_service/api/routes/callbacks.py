"""Where gateways push to us what became of messages."""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.edge.client_address import client_address
from otp_service.api.edge.edge import MAX_PUSH_BYTES
from otp_service.errors import Refused
from otp_service.gateways.base import Push
from otp_service.runtime import Runtime


@route(
    "/callbacks/{gateway:str}/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
    include_in_schema=False,
    opt={"public": True},
    request_max_body_size=MAX_PUSH_BYTES,
)
async def callback(
    request: Request[Any, Any, Any], service: NamedDependency[Runtime], gateway: FromPath[str], token: FromPath[str]
) -> Response[bytes]:
    """A status that a provider pushes. An unknown token is answered like an unknown path."""
    opened = service.callbacks.gateway(gateway, token, str(client_address(request.scope) or ""))
    if opened is None:
        raise Refused("not_found", "There is no such path.")
    headers = {name.lower(): value for name, value in request.headers.items()}
    push = Push(request.method, f"/callbacks/{gateway}", dict(request.query_params), headers, await request.body())
    pushed = await service.callbacks.receive(opened, push)
    for each in pushed.incoming:
        await service.verifications.claim(each)
    return Response(pushed.answer, status_code=pushed.status, media_type=pushed.media_type)
