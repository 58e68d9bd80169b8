"""Routes of /v1/verifications."""

from __future__ import annotations

import asyncio
from typing import Annotated

import structlog
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from otp_service.api.problems import documented, validation_failed
from otp_service.api.requests import ApiRequest, IdempotencyKey, parse_idempotency_key
from otp_service.domain.qr import svg_of
from otp_service.domain.recipients import AUTO, mask
from otp_service.domain.requests import StartRequest
from otp_service.domain.scopes import KeyScope
from otp_service.domain.verifications import Verification
from otp_service.domain.workflows import Step, why_unfit
from otp_service.schemas.verifications import (
    CheckCode,
    CheckPhone,
    CheckResult,
    Resend,
    Search,
    StartVerification,
    VerificationList,
    VerificationView,
    about_client,
    check_result,
    view,
)
from otp_service.verifications.lookup import Lookup
from otp_service.verifications.verifications import Verifications

Service = NamedDependency[Verifications]


CHECK_PROBLEMS = documented(
    "not_found", "phone_disabled", "request_in_progress", "invalid_phone", "invalid_address", "wrong_length",
    "idempotency_key_reused", "too_many_failures", "limit_exceeded", "confirmation_pending",
)  # fmt: skip


class VerificationController(Controller):
    path = "/v1/verifications"
    tags = ("verifications",)

    @post(
        operation_id="startVerification",
        opt={"scope": KeyScope.SEND},
        summary="Send a code to a phone",
        response_description="The verification, pending; the code is on its way.",
        responses=documented(
            "country_not_allowed", "number_type_not_allowed", "on_block_list", "suspected_pumping",
            "challenge_required", "phone_disabled", "request_in_progress", "phone_rejected", "invalid_phone",
            "invalid_address",
            "channel_not_available",
            "idempotency_key_reused", "too_soon", "limit_exceeded", "budget_exhausted", "no_gateway_available",
            "confirmation_pending", "not_found",
        ),
    )  # fmt: skip
    async def start(
        self,
        verifications: Service,
        request: ApiRequest,
        data: JSONBody[StartVerification],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        """Makes a code, sends it through the first gateway that takes it, and answers with the id that the check needs.
        Keep the id in your server's session, not in the browser.
        """
        order = StartRequest(
            to=data.to,
            channel=data.channel,
            steps=_steps(data),
            purpose=data.purpose,
            locale=data.locale or "",
            reference=data.reference or "",
            subject=data.subject or "",
            limits=data.limits or {},
            **about_client(data.client),
        )
        found = await verifications.start(request.user.application, order, parse_idempotency_key(idempotency_key))
        structlog.contextvars.bind_contextvars(verification=found.id, to=mask(found.phone))
        return await _shown(found, verifications.advice(found))

    @get(
        "/{verification_id:str}",
        operation_id="getVerification",
        opt={"scope": KeyScope.READ},
        summary="Read a verification",
        response_description="The verification as it is now.",
        responses=documented("not_found"),
    )
    async def status(
        self,
        lookup: NamedDependency[Lookup],
        request: ApiRequest,
        verification_id: FromPath[str],
        wait: Annotated[int, QueryParameter(ge=0, le=30, description="Wait up to so many seconds for a change.")] = 0,
        if_none_match: Annotated[
            str | None, HeaderParameter(name="If-None-Match", description="The ETag of the state that you know.")
        ] = None,
    ) -> Response[VerificationView]:
        """With `wait` the answer comes as soon as something changes, or when the time is over. Send the `ETag` of the
        last answer as `If-None-Match`, and nothing that happened in between is missed. The status is always 200. A
        verification that ended is kept for a day unless the settings say otherwise, then it is 404.
        """
        found = await lookup.status(request.user.application, verification_id, wait, if_none_match or "")
        told = await _shown(found, lookup.advice(found), operator=_is_operator(request))
        return Response(told, headers={"ETag": found.tag})

    @post(
        "/search",
        status_code=200,
        operation_id="searchVerifications",
        opt={"scope": KeyScope.READ},
        summary="List the verifications of a phone or address, newest first",
        response_description="Up to 200 verifications.",
        responses=documented("invalid_phone", "invalid_address"),
    )
    async def search(
        self,
        lookup: NamedDependency[Lookup],
        request: ApiRequest,
        data: JSONBody[Search],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationList:
        """For support: what did this person receive, and when? By POST, because a phone has no place in a URL. Changes
        nothing, with or without an `Idempotency-Key`.
        """
        parse_idempotency_key(idempotency_key)
        found = await lookup.of_phone(request.user.application, data.to)
        operator = _is_operator(request)
        shown = [await _shown(each, lookup.advice(each), operator=operator) for each in found]
        return VerificationList(verifications=shown)

    @post(
        "/{verification_id:str}/check",
        status_code=200,
        operation_id="checkVerification",
        opt={"scope": KeyScope.CHECK},
        summary="Check a code",
        response_description="The verdict, also for a wrong code. Act on `approved` alone.",
        responses=CHECK_PROBLEMS,
    )
    async def check(
        self,
        verifications: Service,
        request: ApiRequest,
        verification_id: FromPath[str],
        data: JSONBody[CheckCode],
        idempotency_key: IdempotencyKey = None,
    ) -> CheckResult:
        """Say in `to` and `purpose` what you want proved, or compare them in the answer: otherwise somebody who
        verified their own phone can pass that verification off for another's. Exactly one call hears `approved`. A code
        that has the wrong form or length is refused and costs no attempt.
        """
        judgement = await verifications.check(
            request.user.application,
            verification_id,
            data.code,
            to=data.to or "",
            purpose=data.purpose or "",
            idempotency_key=parse_idempotency_key(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(verification=verification_id, outcome=str(judgement.outcome))
        return check_result(judgement)

    @post(
        "/check",
        status_code=200,
        operation_id="checkPhone",
        opt={"scope": KeyScope.CHECK},
        summary="Check a code, knowing only the phone",
        response_description="The verdict, also for a wrong code. Act on `approved` alone.",
        responses=CHECK_PROBLEMS,
    )
    async def check_phone(
        self,
        verifications: Service,
        request: ApiRequest,
        data: JSONBody[CheckPhone],
        idempotency_key: IdempotencyKey = None,
    ) -> CheckResult:
        """For callers that keep no id: judges the code for the newest pending verification of that phone and purpose.
        Prefer the id where you have it: a verification that somebody else began for the same phone is newer than yours.
        """
        judgement = await verifications.check_phone(
            request.user.application,
            data.to,
            data.code,
            purpose=data.purpose,
            idempotency_key=parse_idempotency_key(idempotency_key),
        )
        verification = judgement.verification.id
        structlog.contextvars.bind_contextvars(verification=verification, outcome=str(judgement.outcome))
        return check_result(judgement)

    @post(
        "/{verification_id:str}/resend",
        status_code=200,
        operation_id="resendVerification",
        opt={"scope": KeyScope.SEND},
        summary="Send the code once more",
        response_description="The verification, as after a start.",
        responses=documented(
            "not_found", "not_pending", "request_in_progress", "phone_disabled", "phone_rejected",
            "channel_not_available", "idempotency_key_reused", "too_soon", "no_sends_left", "limit_exceeded",
            "suspected_pumping", "challenge_required", "budget_exhausted", "no_gateway_available",
            "confirmation_pending",
        ),
    )  # fmt: skip
    async def resend(
        self,
        verifications: Service,
        request: ApiRequest,
        verification_id: FromPath[str],
        data: JSONBody[Resend | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        """Not before `resend_at`, and at most `sends_left` times. The next gateway of the route sends it. The number
        of attempts stays, and codes that were sent before are still accepted. The body may be absent.
        """
        channel = (data.channel or "") if data else ""
        found = await verifications.resend(
            request.user.application, verification_id, channel, parse_idempotency_key(idempotency_key)
        )
        structlog.contextvars.bind_contextvars(verification=found.id)
        return await _shown(found, verifications.advice(found))

    @post(
        "/{verification_id:str}/cancel",
        status_code=200,
        operation_id="cancelVerification",
        opt={"scope": KeyScope.SEND},
        summary="End a pending verification",
        response_description="The verification. One that had ended is unchanged.",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def cancel(
        self,
        verifications: Service,
        request: ApiRequest,
        verification_id: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        """Its codes stop working. Repeating it changes nothing, with or without an `Idempotency-Key`."""
        parse_idempotency_key(idempotency_key)
        found = await verifications.cancel(request.user.application, verification_id)
        structlog.contextvars.bind_contextvars(verification=found.id)
        return await _shown(found, verifications.advice(found))


async def _shown(found: Verification, advice: str, *, operator: bool = False) -> VerificationView:
    qr_svg = await asyncio.to_thread(svg_of, found.expected.uri) if found.expected else ""
    return view(found, operator=operator, advice=advice, qr_svg=qr_svg)


def _steps(data: StartVerification) -> list[Step]:
    """Raises Refused."""
    if data.steps is None:
        return []
    steps = [Step(channel=each.channel, wait_seconds=each.wait_seconds) for each in data.steps]
    unfit = why_unfit(steps)
    if data.channel != AUTO:
        unfit = "are of the channel `auto` alone; leave them out, or say `auto`"
    elif unfit:
        unfit = f"are in no order that works: {unfit}"
    if unfit:
        raise validation_failed([{"field": "steps", "message": unfit}])
    return steps


def _is_operator(request: ApiRequest) -> bool:
    return KeyScope.ADMIN in request.user.grant.scopes
