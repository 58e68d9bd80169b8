"""Health, metrics and the page to try the API."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST

from otp_service import exposition
from otp_service.api.problems import MEDIA_TYPE, Problem, document
from otp_service.errors import Refused
from otp_service.service import Service

READY_SECONDS = 1.0


class Health(msgspec.Struct, kw_only=True):
    status: str
    storage: str | None = None
    worker: str | None = None


@get("/health/live", operation_id="live", summary="The process runs", tags=["system"], opt={"public": True})
async def live() -> Health:
    return Health(status="ok")


@get(
    "/health/ready",
    operation_id="ready",
    summary="It can do its work: Redis answers, the worker looks for due jobs",
    tags=["system"],
    opt={"public": True},
    responses={503: ResponseSpec(Problem, description="`storage_unavailable`, `busy`", media_type=MEDIA_TYPE)},
)
async def ready(service: NamedDependency[Service]) -> Response[Health]:
    storage = await _storage(service)
    worker = service.worker.state if service.worker else "elsewhere"
    if storage == "ok" and worker != "late" and not service.stopping.is_set():
        return Response(Health(status="ok", storage=storage, worker=worker), media_type="application/json")
    detail = "The service is stopping." if service.stopping.is_set() else "The service is not ready."
    found = document(
        "storage_unavailable" if storage != "ok" else "busy", detail, {"storage": storage, "worker": worker}
    )
    return cast(
        "Response[Health]", Response(found, status_code=503, media_type=MEDIA_TYPE, headers={"Retry-After": "1"})
    )


async def _storage(service: Service) -> str:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await service.database.ping()
    except (Refused, TimeoutError):
        return "unavailable"
    return "ok"


@get("/metrics", include_in_schema=False, opt={"public": True}, media_type=CONTENT_TYPE_LATEST)
async def metrics_page(service: NamedDependency[Service]) -> bytes:
    service.observe()
    return exposition.page()
