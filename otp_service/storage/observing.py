"""What operators see of Redis: how long each script and command took, and which were not answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from prometheus_client import Histogram

from otp_service.errors import StorageUnavailable
from otp_service.telemetry import metrics, tracing

P = ParamSpec("P")
R = TypeVar("R")
Owner = TypeVar("Owner")


def observed(
    method: Callable[Concatenate[Owner, Any, P], Awaitable[R]],
) -> Callable[Concatenate[Owner, Any, P], Awaitable[R]]:
    """Measure a method of the database. Its first argument is a script or the first word of a command."""

    @wraps(method)
    async def measured(self: Owner, what: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        operation = str(getattr(what, "name", what))
        began = time.perf_counter()
        with tracing.span(f"redis {operation}", {"db.system.name": "redis", "db.operation.name": operation}):
            try:
                return await method(self, what, *args, **kwargs)
            except StorageUnavailable as error:
                metrics.STORAGE_FAULTS.labels(operation).inc()
                tracing.note_failure(error.code)
                raise
            finally:
                _timer(operation).observe(time.perf_counter() - began)

    return measured


@cache
def _timer(operation: str) -> Histogram:
    """Looked up once: finding it by its label costs more than the observation."""
    return metrics.STORAGE_SECONDS.labels(operation)
