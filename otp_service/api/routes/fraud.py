"""GET /v1/fraud: what the pumping guard found, and what it would have cost to believe it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from otp_service.admission import Admission
from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest
from otp_service.domain.scopes import KeyScope

Days = Annotated[int, QueryParameter(ge=1, le=30, description="How many days the report covers, today (UTC) included.")]


class Counts(msgspec.Struct, kw_only=True):
    """refused, challenged: sends that did not go out. would_refuse: went out in mode `shadow`, or in mode `auto` before
    the evidence was plain; of these, `converted` were answered with the right code, so that they were people.
    challenge_passed: went out because of that."""

    refused: int = 0
    challenged: int = 0
    challenge_passed: int = 0
    would_refuse: int = 0
    converted: int = 0


class Found(Counts, kw_only=True):
    reason: str
    value: str | None


class FraudReport(msgspec.Struct, kw_only=True):
    mode: str
    days: int
    total: Counts
    found: list[Found]
    wrong_code_alarm: bool
    spent_today: str
    budget_per_day: str | None


@get(
    "/v1/fraud",
    operation_id="getFraudReport",
    summary="Report what the protection against SMS pumping found",
    response_description="The report.",
    tags=["fraud"],
    opt={"scope": KeyScope.READ},
    responses=documented(),
)
async def fraud(admission: NamedDependency[Admission], request: ApiRequest, days: Days = 7) -> FraudReport:
    """SMS pumping: somebody has codes sent to numbers that pay them for each SMS. The report counts sends that were
    refused or challenged, or would have been, and says why.
    """
    report = await admission.report(request.user.application, days)
    total, found = Counts(), dict[tuple[str, str], Found]()
    for row in report.rows:
        counts: Counts = total
        if row.reason:
            counts = found.setdefault((row.reason, row.value), Found(reason=row.reason, value=row.value or None))
        setattr(counts, row.word, row.count)
    return FraudReport(
        mode=report.mode,
        days=days,
        total=total,
        found=list(found.values()),
        wrong_code_alarm=report.alarm,
        spent_today=report.spent,
        budget_per_day=report.budget,
    )
