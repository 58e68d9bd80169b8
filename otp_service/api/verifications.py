"""Routes of /v1/verifications."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Annotated

import structlog
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from otp_service.api.inputs import Called, IdempotencyKey, bare, not_understood
from otp_service.api.problems import documented
from otp_service.api.schemas import (
    CheckCode,
    CheckResult,
    Resend,
    Search,
    StartVerification,
    VerificationList,
    VerificationView,
    check_result,
    view,
)
from otp_service.discretion import Discretion
from otp_service.domain.orders import Order
from otp_service.domain.phone import mask
from otp_service.domain.scopes import KeyScope
from otp_service.lookup import Lookup
from otp_service.verifications import Verifications

Service = NamedDependency[Verifications]


class VerificationController(Controller):
    path = "/v1/verifications"
    tags = ("verifications",)

    @post(
        operation_id="startVerification",
        opt={"scope": KeyScope.SEND},
        summary="Send a code to a phone",
        responses=documented(
            "country_not_allowed", "number_type_not_allowed", "on_block_list", "suspected_pumping", "phone_disabled",
            "request_in_progress", "phone_rejected", "invalid_phone", "channel_not_available",
            "idempotency_key_reused", "too_soon", "limit_exceeded", "budget_exhausted", "no_gateway_available",
            "confirmation_pending",
        ),
    )  # fmt: skip
    async def start(
        self,
        discretion: NamedDependency[Discretion],
        request: Called,
        data: JSONBody[StartVerification],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        client = data.client
        order = Order(
            to=data.to,
            channel=data.channel,
            purpose=data.purpose,
            locale=data.locale or "",
            reference=data.reference or "",
            subject=data.subject or "",
            client_ip=_address(client.ip) if client and client.ip is not None else "",
            platform=(client.platform or "") if client else "",
            limits=data.limits or {},
        )
        found = await discretion.start(request.user.application, order, bare(idempotency_key))
        structlog.contextvars.bind_contextvars(verification=found.id, to=mask(found.phone))
        return view(found)

    @get(
        "/{verification_id:str}",
        operation_id="getVerification",
        opt={"scope": KeyScope.READ},
        summary="The verification as it is now",
        responses=documented("not_found"),
    )
    async def status(
        self,
        lookup: NamedDependency[Lookup],
        request: Called,
        verification_id: FromPath[str],
        wait: Annotated[int, QueryParameter(ge=0, le=30, description="Wait up to so many seconds for a change.")] = 0,
        if_none_match: Annotated[
            str | None, HeaderParameter(name="If-None-Match", description="The ETag of the state that you know.")
        ] = None,
    ) -> Response[VerificationView]:
        found = await lookup.status(request.user.application, verification_id, wait, if_none_match or "")
        return Response(view(found), headers={"ETag": found.tag})

    @post(
        "/search",
        status_code=200,
        operation_id="searchVerifications",
        opt={"scope": KeyScope.READ},
        summary="A phone's verifications, newest first",
        responses=documented("invalid_phone"),
    )
    async def search(
        self,
        lookup: NamedDependency[Lookup],
        request: Called,
        data: JSONBody[Search],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationList:
        """By POST, because a phone has no place in a URL. Changes nothing, so an Idempotency-Key has nothing to do."""
        bare(idempotency_key)
        found = await lookup.of_phone(request.user.application, data.to)
        return VerificationList(verifications=[view(each) for each in found])

    @post(
        "/{verification_id:str}/check",
        status_code=200,
        operation_id="checkVerification",
        opt={"scope": KeyScope.CHECK},
        summary="Judge a submitted code",
        responses=documented(
            "not_found", "phone_disabled", "request_in_progress", "invalid_phone", "idempotency_key_reused",
            "too_many_failures", "limit_exceeded", "busy", "confirmation_pending",
        ),
    )  # fmt: skip
    async def check(
        self,
        verifications: Service,
        request: Called,
        verification_id: FromPath[str],
        data: JSONBody[CheckCode],
        idempotency_key: IdempotencyKey = None,
    ) -> CheckResult:
        judgement = await verifications.check(
            request.user.application,
            verification_id,
            data.code,
            to=data.to or "",
            purpose=data.purpose or "",
            idempotency_key=bare(idempotency_key),
        )
        structlog.contextvars.bind_contextvars(verification=verification_id, outcome=str(judgement.outcome))
        return check_result(judgement)

    @post(
        "/{verification_id:str}/resend",
        status_code=200,
        operation_id="resendVerification",
        opt={"scope": KeyScope.SEND},
        summary="Send the code once more",
        responses=documented(
            "not_found", "not_pending", "request_in_progress", "phone_disabled", "phone_rejected",
            "channel_not_available", "idempotency_key_reused", "too_soon", "no_sends_left", "limit_exceeded",
            "suspected_pumping", "budget_exhausted", "no_gateway_available", "confirmation_pending",
        ),
    )  # fmt: skip
    async def resend(
        self,
        discretion: NamedDependency[Discretion],
        request: Called,
        verification_id: FromPath[str],
        data: JSONBody[Resend | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        channel = (data.channel or "") if data else ""
        structlog.contextvars.bind_contextvars(verification=verification_id)
        return view(await discretion.resend(request.user.application, verification_id, channel, bare(idempotency_key)))

    @post(
        "/{verification_id:str}/cancel",
        status_code=200,
        operation_id="cancelVerification",
        opt={"scope": KeyScope.SEND},
        summary="End a pending verification",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def cancel(
        self,
        verifications: Service,
        request: Called,
        verification_id: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> VerificationView:
        """Repeating it changes nothing, with or without an Idempotency-Key."""
        bare(idempotency_key)
        structlog.contextvars.bind_contextvars(verification=verification_id)
        return view(await verifications.cancel(request.user.application, verification_id))


def _address(text: str) -> str:
    if "%" not in text:  # the zone of a link-local address may hold anything
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(text))
    raise not_understood("client.ip", "not an IPv4 or IPv6 address")
