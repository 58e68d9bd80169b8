"""Routes of /v1/factors/totp."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import structlog
from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from otp_service.api import factor_views as views
from otp_service.api.factor_schemas import EnrolTotp, ImportRow, ImportTotp, OfSubject, TotpCheck
from otp_service.api.factor_views import (
    EnrolmentView,
    FactorsView,
    ImportedRow,
    ImportResult,
    TotpResult,
    TotpView,
)
from otp_service.api.inputs import Called, IdempotencyKey, bare, not_understood
from otp_service.api.problems import documented
from otp_service.domain import totp_import
from otp_service.domain.factors import FactorStatus
from otp_service.domain.qr import qr_code
from otp_service.domain.scopes import KeyScope
from otp_service.domain.totp import Algorithm
from otp_service.domain.totp_import import Row
from otp_service.errors import Refused
from otp_service.factors import Enrolment, Factors

MOST_ROWS = 500
FactorService = NamedDependency[Factors]
JUDGED = (
    "not_found", "factor_disabled", "too_many_failures", "request_in_progress", "idempotency_key_reused",
    "confirmation_pending",
)  # fmt: skip


class TotpController(Controller):
    path = "/v1/factors/totp"
    tags = ("factors",)

    @post(
        operation_id="enrolTotp",
        opt={"scope": KeyScope.SEND},
        summary="Enrol an authenticator app: secret, URI and QR code",
        responses=documented(
            "factors_refused", "not_found", "too_many_factors", "idempotency_key_reused", "confirmation_pending"
        ),
    )
    async def enrol(
        self,
        factors: FactorService,
        request: Called,
        data: JSONBody[EnrolTotp],
        idempotency_key: IdempotencyKey = None,
    ) -> EnrolmentView:
        order = Enrolment(
            subject=data.subject,
            name=data.name or "",
            label=data.label or "",
            issuer=data.issuer or "",
            digits=data.digits,
            algorithm=Algorithm(data.algorithm),
        )
        found = await factors.enrol(request.user.application, order, request.user.actor, bare(idempotency_key))
        structlog.contextvars.bind_contextvars(factor=found.id)
        shown = None
        if found.status is FactorStatus.UNCONFIRMED:
            shown = await asyncio.to_thread(qr_code, found.generator.uri(found.label, found.issuer))
        return views.enrolment_view(found, shown)

    @post(
        "/{factor_id:str}/confirm",
        status_code=200,
        operation_id="confirmTotp",
        opt={"scope": KeyScope.CHECK},
        summary="Judge the first code of a new authenticator",
        responses=documented(*JUDGED),
    )
    async def confirm(
        self,
        factors: FactorService,
        request: Called,
        factor_id: FromPath[str],
        data: JSONBody[TotpCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> TotpResult:
        judgement = await factors.confirm(
            request.user.application,
            factor_id,
            data.code,
            request.user.actor,
            subject=data.subject or "",
            idempotency_key=bare(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(factor=factor_id, outcome=str(judgement.outcome))
        return views.totp_result(judgement)

    @post(
        "/{factor_id:str}/check",
        status_code=200,
        operation_id="checkTotp",
        opt={"scope": KeyScope.CHECK},
        summary="Judge a code of one authenticator",
        responses=documented(*JUDGED, "not_confirmed"),
    )
    async def check(
        self,
        factors: FactorService,
        request: Called,
        factor_id: FromPath[str],
        data: JSONBody[TotpCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> TotpResult:
        judgement = await factors.check(
            request.user.application,
            factor_id,
            data.code,
            subject=data.subject or "",
            idempotency_key=bare(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(factor=factor_id, outcome=str(judgement.outcome))
        return views.totp_result(judgement)

    @post(
        "/search",
        status_code=200,
        operation_id="searchTotp",
        opt={"scope": KeyScope.READ},
        summary="The authenticators of a subject",
        responses=documented(),
    )
    async def search(
        self,
        factors: FactorService,
        request: Called,
        data: JSONBody[OfSubject],
        idempotency_key: IdempotencyKey = None,
    ) -> FactorsView:
        """Changes nothing, with or without an Idempotency-Key."""
        bare(idempotency_key)
        found = await factors.overview(request.user.application, data.subject)
        return FactorsView(factors=[views.totp_view(one) for one in found.totp])

    @post(
        "/import",
        status_code=200,
        operation_id="importTotp",
        opt={"scope": KeyScope.SEND},
        summary="Take over authenticators that another system enrolled",
        responses=documented("factors_refused", "confirmation_pending"),
    )
    async def take_over(
        self,
        factors: FactorService,
        request: Called,
        data: JSONBody[ImportTotp],
        idempotency_key: IdempotencyKey = None,
    ) -> ImportResult:
        """What is here already is left alone, so a repeat does no harm, with or without an Idempotency-Key."""
        bare(idempotency_key)
        rows = _rows(data)
        told = [await _taken_over(factors, request.user.application, n, row) for n, row in enumerate(rows, start=1)]
        results = [one.result for one in told]
        await factors.record_import(request.user.application, request.user.actor, results.count("imported"))
        return ImportResult(
            imported=results.count("imported"),
            already_there=results.count("already_there"),
            refused=results.count("refused"),
            rows=told,
        )

    @delete(
        "/{factor_id:str}",
        status_code=200,
        operation_id="removeTotp",
        opt={"scope": KeyScope.SEND},
        summary="Remove an authenticator",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def remove(self, factors: FactorService, request: Called, factor_id: FromPath[str]) -> TotpView:
        """Answers it as it was. A repeat is 404."""
        structlog.contextvars.bind_contextvars(factor=factor_id)
        return views.totp_view(await factors.remove(request.user.application, factor_id, request.user.actor))


def _rows(data: ImportTotp) -> list[Row | ValueError]:
    found = [totp_import.row({name: str(value) for name, value in _given(one)}) for one in data.rows]
    found += totp_import.rows(data.csv)
    if len(found) > MOST_ROWS:
        raise not_understood("csv", f"has more than {MOST_ROWS} rows; send them in parts")
    return found


def _given(one: ImportRow) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in msgspec.structs.asdict(one).items() if value is not None)


async def _taken_over(factors: Factors, application: str, number: int, row: Row | ValueError) -> ImportedRow:
    if isinstance(row, ValueError):
        return ImportedRow(row=number, result="refused", error=str(row))
    try:
        added = await factors.take_over(application, row)
    except Refused as refusal:
        if refusal.code != "too_many_factors":
            raise
        return ImportedRow(row=number, result="refused", error=refusal.detail)
    return ImportedRow(row=number, result="imported" if added else "already_there", error=None)
