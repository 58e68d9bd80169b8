"""Routes of /v1/subjects: what a person can use, and one question for whatever they typed."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from otp_service.api import factor_views as views
from otp_service.api.factor_schemas import SubjectCheck
from otp_service.api.factor_views import SubjectResult, SubjectView, UnlockResult
from otp_service.api.factors import FactorService
from otp_service.api.inputs import Called, IdempotencyKey, bare
from otp_service.api.problems import documented
from otp_service.api.schemas import SUBJECT_PATTERN, SUBJECT_WORDS
from otp_service.domain.backup_codes import plain
from otp_service.domain.scopes import KeyScope

Subject = Annotated[str, PathParameter(pattern=SUBJECT_PATTERN, description=SUBJECT_WORDS)]
Phones = Annotated[
    Literal["masked", "clear"], QueryParameter(description="`clear` shows phones in full, `+79161234567`.")
]


class SubjectController(Controller):
    path = "/v1/subjects/{subject:str}"
    tags = ("subjects",)

    @get(
        operation_id="getSubject",
        opt={"scope": KeyScope.READ},
        summary="What the person can use: phones, authenticators, backup codes",
        responses=documented("not_found"),
    )
    async def overview(
        self, factors: FactorService, request: Called, subject: Subject, phones: Phones = "masked"
    ) -> SubjectView:
        """A subject that is not known has nothing; that is no error."""
        found = await factors.overview(request.user.application, subject)
        return views.subject_view(subject, found, clear=phones == "clear")

    @post(
        "/check",
        status_code=200,
        operation_id="checkSubject",
        opt={"scope": KeyScope.CHECK},
        summary="Judge a code against authenticators or backup codes, by its form",
        responses=documented(
            "not_found", "factor_disabled", "too_many_failures", "request_in_progress", "idempotency_key_reused",
            "busy", "confirmation_pending",
        ),
    )  # fmt: skip
    async def check(
        self,
        factors: FactorService,
        request: Called,
        subject: Subject,
        data: JSONBody[SubjectCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> SubjectResult:
        judgement = await factors.check_subject(
            request.user.application, subject, plain(data.code), bare(idempotency_key)
        )
        structlog.contextvars.bind_contextvars(factor=str(judgement.kind), outcome=str(judgement.outcome))
        return views.subject_result(subject, judgement)

    @post(
        "/unlock",
        status_code=200,
        operation_id="unlockSubject",
        opt={"scope": KeyScope.ADMIN},
        summary="Forget the wrong codes of all factors of a person",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def unlock(
        self, factors: FactorService, request: Called, subject: Subject, idempotency_key: IdempotencyKey = None
    ) -> UnlockResult:
        """Repeating it changes nothing, with or without an Idempotency-Key."""
        bare(idempotency_key)
        return UnlockResult(
            subject=subject, forgotten=await factors.unlock(request.user.application, subject, request.user.actor)
        )

    @delete(
        status_code=200,
        operation_id="forgetSubject",
        opt={"scope": KeyScope.SEND},
        summary="Remove every factor and verified phone of a person",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def forget(self, factors: FactorService, request: Called, subject: Subject) -> SubjectView:
        """Answers what there was. A repeat answers that there is nothing."""
        return views.subject_view(
            subject, await factors.forget(request.user.application, subject, request.user.actor), clear=False
        )
