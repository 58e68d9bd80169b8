"""Routes of /v1/subjects: what a person can use, and one question for whatever they typed."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest, IdempotencyKey, parse_idempotency_key
from otp_service.api.routes.totp import FactorService
from otp_service.domain.scopes import KeyScope
from otp_service.schemas import factors as views
from otp_service.schemas.factor_requests import SubjectCheck
from otp_service.schemas.factors import SubjectResult, SubjectView, UnlockResult
from otp_service.schemas.verifications import SUBJECT_PATTERN, SUBJECT_WORDS

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
        summary="Read what a person can use",
        response_description="Phones, authenticators and backup codes of the person.",
        responses=documented("not_found"),
    )
    async def overview(
        self, factors: FactorService, request: ApiRequest, subject: Subject, phones: Phones = "masked"
    ) -> SubjectView:
        """A subject is your own id of a person. One that is not known has nothing: empty lists, and no error."""
        found = await factors.overview(request.user.application, subject)
        return views.subject_view(subject, found, clear=phones == "clear")

    @post(
        "/check",
        status_code=200,
        operation_id="checkSubject",
        opt={"scope": KeyScope.CHECK},
        summary="Check whatever code the person typed",
        response_description="The verdict. Act on `approved` alone.",
        responses=documented(
            "not_found", "factor_disabled", "too_many_failures", "request_in_progress", "idempotency_key_reused",
            "confirmation_pending",
        ),
    )  # fmt: skip
    async def check(
        self,
        factors: FactorService,
        request: ApiRequest,
        subject: Subject,
        data: JSONBody[SubjectCheck],
        idempotency_key: IdempotencyKey = None,
    ) -> SubjectResult:
        """One question for a login page: the form of the code says whether it is a code of an authenticator app or a
        backup code. Of several authenticators, the one that fits is named in `factor_id`.
        """
        judgement = await factors.check_subject(
            request.user.application, subject, data.code, parse_idempotency_key(idempotency_key)
        )
        structlog.contextvars.bind_contextvars(factor=str(judgement.kind), outcome=str(judgement.outcome))
        return views.subject_result(subject, judgement)

    @post(
        "/unlock",
        status_code=200,
        operation_id="unlockSubject",
        opt={"scope": KeyScope.ADMIN},
        summary="Unlock the factors of a person",
        response_description="How many wrong codes were forgotten.",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def unlock(
        self, factors: FactorService, request: ApiRequest, subject: Subject, idempotency_key: IdempotencyKey = None
    ) -> UnlockResult:
        """Forgets the wrong codes of all factors, so that a disabled one works again. Do it only when you know who
        asks. Repeating it changes nothing, with or without an `Idempotency-Key`.
        """
        parse_idempotency_key(idempotency_key)
        return UnlockResult(
            subject=subject, forgotten=await factors.unlock(request.user.application, subject, request.user.actor)
        )

    @delete(
        status_code=200,
        operation_id="forgetSubject",
        opt={"scope": KeyScope.SEND},
        summary="Remove every factor and verified phone of a person",
        response_description="What there was.",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def forget(self, factors: FactorService, request: ApiRequest, subject: Subject) -> SubjectView:
        """Cannot be undone. A repeat answers with empty lists."""
        return views.subject_view(
            subject, await factors.forget(request.user.application, subject, request.user.actor), clear=False
        )
