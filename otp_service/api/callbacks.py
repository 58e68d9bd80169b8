"""Where gateways push to us what became of messages."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.addresses import client_address
from otp_service.errors import Refused
from otp_service.service import Service


@post(
    "/callbacks/targetsms/{token:str}",
    status_code=200,
    include_in_schema=False,
    opt={"public": True},
    media_type="text/xml",
)
async def targetsms(
    request: Request[Any, Any, Any], service: NamedDependency[Service], token: FromPath[str]
) -> Response[bytes]:
    """X5. The answer names the ids that need not be pushed again; a token that opens nothing finds nothing."""
    gateway = service.pushes.gateway(token, str(client_address(request.scope) or ""))
    if gateway is None:
        raise Refused("not_found", "Nothing is there.")
    answer = await service.pushes.receive(gateway, await request.body())
    return Response(answer, media_type="text/xml; charset=utf-8")
