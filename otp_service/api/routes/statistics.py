"""GET /v1/statistics: codes sent, delivered and entered, by hours or days."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime
from otp_service.schemas.statistics import StatisticsView, statistics_view
from otp_service.settings.section import END
from otp_service.statistics.reading import moment, read


@get(
    "/v1/statistics",
    operation_id="getStatistics",
    summary="Count codes sent, delivered and entered, by hours or days",
    response_description="A row for each period and group.",
    tags=["statistics"],
    opt={"scope": KeyScope.READ},
    responses=documented("validation_failed"),
)
async def statistics(
    service: NamedDependency[Runtime],
    request: ApiRequest,
    start: Annotated[
        str | None,
        QueryParameter(
            name="from",
            max_length=40,
            description="The first day or moment, as in `2026-11-28` or `2026-11-28T09:00:00Z`. If absent: 24 hours "
            "before `to`, or 30 days with `step=day`. At most 31 days before `to` by hours, 1,100 by days.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(
            name="to",
            max_length=40,
            description="The day or moment before which to stop; UTC unless it names a zone. If absent: now.",
        ),
    ] = None,
    step: Annotated[Literal["hour", "day"], QueryParameter(description="Length of a period, in UTC.")] = "hour",
    by: Annotated[
        str,
        QueryParameter(
            pattern=r"^((gateway|channel|country|operator)(,(gateway|channel|country|operator)){0,3})?" + END,
            description="Some of `gateway`, `channel`, `country`, `operator`, separated by commas: one row for each of "
            "their values. Figures are summed over what is not named.",
        ),
    ] = "",
) -> StatisticsView:
    """Counts, money and times of your application, kept for years. `by` splits them by gateway, channel, country and
    operator.
    """
    groups = [word for word in by.split(",") if word]
    found = await read(
        service.stores.statistics,
        request.user.application,
        start=moment("from", start or ""),
        end=moment("to", end or ""),
        step=step,
        by=groups,
    )
    return statistics_view(step, groups, found)
