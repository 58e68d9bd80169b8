"""Routes of /v1/factors/totp."""

from __future__ import annotations

import asyncio
from itertools import islice

import msgspec
import structlog
from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest, IdempotencyKey, not_understood, parse_idempotency_key
from otp_service.domain import totp_import
from otp_service.domain.factors import FactorStatus
from otp_service.domain.qr import qr_code
from otp_service.domain.scopes import KeyScope
from otp_service.domain.totp import Algorithm
from otp_service.domain.totp_exports import UnreadableError
from otp_service.domain.totp_import import Row
from otp_service.errors import Refused
from otp_service.factors.factors import Enrolment, Factors
from otp_service.schemas import factors as views
from otp_service.schemas.factor_requests import EnrolTotp, ImportTotp, OfSubject, TotpCheck
from otp_service.schemas.factors import EnrolmentView, FactorsView, ImportedRow, ImportResult, TotpResult, TotpView

MOST_ROWS = 500
FactorService = NamedDependency[Factors]
JUDGED = (
    "not_found", "factor_disabled", "too_many_failures", "wrong_length", "request_in_progress",
    "idempotency_key_reused", "confirmation_pending",
)  # fmt: skip


class TotpController(Controller):
    path = "/v1/factors/totp"
    tags = ("factors",)

    @post(
        operation_id="enrolTotp",
        opt={"scope": KeyScope.SEND},
        summary="Enrol an authenticator app",
        response_description="The new authenticator, unconfirmed, with its secret and QR code.",
        responses=documented(
            "factors_refused", "not_found", "too_many_factors", "idempotency_key_reused", "confirmation_pending"
        ),
    )
    async def enrol(
        self,
        factors: FactorService,
        request: ApiRequest,
        data: JSONBody[EnrolTotp],
        idempotency_key: IdempotencyKey = None,
    ) -> EnrolmentView:
        """Show the QR code to the person, then have the first code confirmed: until then its codes are not accepted,
        and it is forgotten after an hour. Secret, URI and QR code are shown only here, and in repeats with the
        same `Idempotency-Key` until it is confirmed.
        """
        order = Enrolment(
            subject=data.subject,
            name=data.name or "",
            label=data.label or "",
            issuer=data.issuer or "",
            digits=data.digits,
            algorithm=Algorithm(data.algorithm),
        )
        found = await factors.enrol(
            request.user.application, order, request.user.actor, parse_idempotency_key(idempotency_key)
        )
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
        summary="Confirm an authenticator with its first code",
        response_description="The verdict. Act on `approved` alone.",
        responses=documented(*JUDGED),
    )
    async def confirm(
        self,
        factors: FactorService,
        request: ApiRequest,
        factor_id: FromPath[str],
        data: JSONBody[TotpCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> TotpResult:
        """A clock that is up to three minutes off is recognised and remembered. Further off, the outcome is `clock_off`
        and `seconds` says by how much.
        """
        judgement = await factors.confirm(
            request.user.application,
            factor_id,
            data.code,
            request.user.actor,
            subject=data.subject or "",
            idempotency_key=parse_idempotency_key(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(factor=factor_id, outcome=str(judgement.outcome))
        return views.totp_result(judgement)

    @post(
        "/{factor_id:str}/check",
        status_code=200,
        operation_id="checkTotp",
        opt={"scope": KeyScope.CHECK},
        summary="Check a code of one authenticator",
        response_description="The verdict. Act on `approved` alone.",
        responses=documented(*JUDGED, "not_confirmed"),
    )
    async def check(
        self,
        factors: FactorService,
        request: ApiRequest,
        factor_id: FromPath[str],
        data: JSONBody[TotpCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> TotpResult:
        """A code is accepted once, within its time step, the one before or the one after. Blanks, hyphens and dots are
        ignored.
        """
        judgement = await factors.check(
            request.user.application,
            factor_id,
            data.code,
            subject=data.subject or "",
            idempotency_key=parse_idempotency_key(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(factor=factor_id, outcome=str(judgement.outcome))
        return views.totp_result(judgement)

    @post(
        "/search",
        status_code=200,
        operation_id="searchTotp",
        opt={"scope": KeyScope.READ},
        summary="List the authenticators of a person",
        response_description="The authenticators, oldest first.",
        responses=documented(),
    )
    async def search(
        self,
        factors: FactorService,
        request: ApiRequest,
        data: JSONBody[OfSubject],
        idempotency_key: IdempotencyKey = None,
    ) -> FactorsView:
        """By POST, so that the body and not a log of URLs holds who is asked about. Changes nothing, with or without an
        `Idempotency-Key`.
        """
        parse_idempotency_key(idempotency_key)
        found = await factors.overview(request.user.application, data.subject)
        return FactorsView(factors=[views.totp_view(one) for one in found.totp])

    @post(
        "/import",
        status_code=200,
        operation_id="importTotp",
        opt={"scope": KeyScope.SEND},
        summary="Import authenticators that another system enrolled",
        response_description="What became of each row.",
        responses=documented("factors_refused", "confirmation_pending"),
    )
    async def take_over(
        self,
        factors: FactorService,
        request: ApiRequest,
        data: JSONBody[ImportTotp],
        idempotency_key: IdempotencyKey = None,
    ) -> ImportResult:
        """Takes up to 500 rows as JSON, as CSV, or both. A row that cannot be read is refused by itself, with the
        cause; the others go in. What is here already is left alone, so a repeat does no harm, with or without an
        `Idempotency-Key`.
        """
        parse_idempotency_key(idempotency_key)
        rows = [
            totp_import.row(
                {name: str(value) for name, value in msgspec.structs.asdict(one).items() if value is not None}
            )
            for one in data.rows
        ]
        try:  # one more than there may be shows that there are
            rows += islice(totp_import.rows(data.csv), MOST_ROWS + 1)
        except UnreadableError as error:
            raise not_understood("csv", f"is not read: {error}") from None
        if not rows:
            raise not_understood("rows", "or `csv` must hold at least one authenticator")
        if len(rows) > MOST_ROWS:
            raise not_understood("csv", f"has more than {MOST_ROWS} rows; send them in parts")
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
        response_description="The authenticator as it was.",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def remove(self, factors: FactorService, request: ApiRequest, factor_id: FromPath[str]) -> TotpView:
        """Cannot be undone. A repeat is answered 404."""
        removed = await factors.remove(request.user.application, factor_id, request.user.actor)
        structlog.contextvars.bind_contextvars(factor=factor_id)
        return views.totp_view(removed)


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
