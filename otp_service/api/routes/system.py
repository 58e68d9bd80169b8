"""Health, metrics and the page to try the API."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from otp_service import background
from otp_service.api.problems import MEDIA_TYPE, Problem, document
from otp_service.errors import Refused
from otp_service.runtime import Runtime
from otp_service.telemetry import multiprocess

READY_SECONDS = 1.0


class Health(msgspec.Struct, kw_only=True):
    status: str
    storage: str | None = None
    worker: str | None = None
    loops: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """What runs beside the requests and is not well: failing, late or dead."""


@get(
    "/health/live",
    operation_id="live",
    summary="Is the process alive?",
    response_description="The process runs.",
    tags=["system"],
    opt={"public": True},
)
async def live() -> Health:
    """Does not ask Redis: when this fails, restarting the process may help. Needs no API key."""
    return Health(status="ok")


@get(
    "/health/ready",
    operation_id="ready",
    summary="Can the service do its work?",
    response_description="The service can do its work.",
    tags=["system"],
    opt={"public": True},
    responses={503: ResponseSpec(Problem, description="`storage_unavailable`, `busy`", media_type=MEDIA_TYPE)},
)
async def ready(service: NamedDependency[Runtime]) -> Response[Health]:
    """For load balancers: 200 when Redis answers, the worker looks for due jobs and no other loop is stuck. Needs no
    API key.
    """
    storage = "ok"
    try:
        async with asyncio.timeout(READY_SECONDS):
            await service.stores.database.ping()
    except (Refused, TimeoutError):
        storage = "unavailable"
    worker = service.worker.state if service.worker else "elsewhere"
    unwell = background.states()
    stuck = worker == "late" or any(state != "failing" for state in unwell.values())
    if storage == "ok" and not stuck and not service.stopping.is_set():
        found = Health(status="ok", storage=storage, worker=worker, loops=unwell or msgspec.UNSET)
        return Response(found, media_type="application/json")
    detail = "The service is stopping." if service.stopping.is_set() else "The service is not ready."
    told = {"storage": storage, "worker": worker, **({"loops": unwell} if unwell else {})}
    problem = document("storage_unavailable" if storage != "ok" else "busy", detail, told)
    return cast(
        "Response[Health]", Response(problem, status_code=503, media_type=MEDIA_TYPE, headers={"Retry-After": "1"})
    )


@get("/metrics", include_in_schema=False, opt={"public": True})
async def metrics_page(request: Request[Any, Any, Any], service: NamedDependency[Runtime]) -> Response[bytes]:
    service.observe()
    page, media_type = multiprocess.render(request.headers.get("accept", ""))
    return Response(page, headers={"Content-Type": media_type})
