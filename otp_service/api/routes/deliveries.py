"""Routes of /v1/deliveries: codes that the caller made."""

from __future__ import annotations

from typing import Annotated

import structlog
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest, IdempotencyKey, not_understood, parse_idempotency_key
from otp_service.deliveries.deliveries import Deliveries
from otp_service.domain.recipients import mask
from otp_service.domain.requests import Content, StartRequest
from otp_service.domain.scopes import KeyScope
from otp_service.errors import Refused
from otp_service.runtime import Runtime
from otp_service.schemas.deliveries import Deliver, DeliveryView, delivery_view
from otp_service.schemas.verifications import about_client


class DeliveryController(Controller):
    path = "/v1/deliveries"
    tags = ("deliveries",)

    @post(
        operation_id="deliver",
        opt={"scope": KeyScope.SEND},
        summary="Deliver a code that you made",
        response_description="Accepted for delivery.",
        responses=documented(
            "country_not_allowed", "number_type_not_allowed", "on_block_list", "suspected_pumping",
            "challenge_required", "phone_disabled", "text_not_allowed", "request_in_progress", "phone_rejected",
            "invalid_phone", "invalid_address", "channel_not_available", "idempotency_key_reused", "limit_exceeded",
            "budget_exhausted", "no_gateway_available", "confirmation_pending",
        ),
    )  # fmt: skip
    async def deliver(
        self,
        deliveries: NamedDependency[Deliveries],
        service: NamedDependency[Runtime],
        request: ApiRequest,
        data: JSONBody[Deliver],
        idempotency_key: IdempotencyKey = None,
    ) -> DeliveryView:
        """For callers that make and judge codes themselves and need only the way to the phone: routes, fallback between
        gateways, limits and delivery reports. Send exactly one of `code` and `text`. Neither is ever shown again.
        """
        application = request.user.application
        if (data.code is None) == (data.text is None):
            raise not_understood("code", "or `text` must be there, and not both")
        if data.text is not None and not service.settings.applications[application].deliveries.text:
            raise Refused("text_not_allowed", "This application may deliver codes, but not whole texts.")
        host = data.webotp_host or ""
        order = StartRequest(
            to=data.to,
            channel=data.channel,
            purpose=data.purpose,
            locale=data.locale or "",
            reference=data.reference or "",
            limits=data.limits or {},
            **(about_client(data.client) | ({"platform": "web"} if host else {})),
            delivery=True,
            content=Content(code=data.code or "", text=data.text or "", webotp_host=host),
            ttl_seconds=data.ttl_seconds or 0,
        )
        found = await deliveries.send(application, order, parse_idempotency_key(idempotency_key))
        structlog.contextvars.bind_contextvars(delivery=found.id, to=mask(found.phone))
        return delivery_view(found)

    @get(
        "/{delivery_id:str}",
        operation_id="getDelivery",
        opt={"scope": KeyScope.READ},
        summary="Read what became of a delivery",
        response_description="The delivery as it is now.",
        responses=documented("not_found"),
    )
    async def status(
        self,
        deliveries: NamedDependency[Deliveries],
        request: ApiRequest,
        delivery_id: FromPath[str],
        wait: Annotated[int, QueryParameter(ge=0, le=30, description="Wait up to so many seconds for a change.")] = 0,
        if_none_match: Annotated[
            str | None, HeaderParameter(name="If-None-Match", description="The ETag of the state that you know.")
        ] = None,
    ) -> Response[DeliveryView]:
        """With `wait` the answer comes as soon as something changes, or when the time is over. Send the `ETag` of the
        last answer as `If-None-Match`, and nothing that happened in between is missed. The status is always 200.
        """
        found = await deliveries.status(request.user.application, delivery_id, wait, if_none_match or "")
        return Response(delivery_view(found), headers={"ETag": found.tag})

    @post(
        "/{delivery_id:str}/converted",
        status_code=200,
        operation_id="convertDelivery",
        opt={"scope": KeyScope.CHECK},
        summary="Report that the code of a delivery was entered",
        response_description="The delivery, with `converted_at`.",
        responses=documented("not_found", "confirmation_pending"),
    )
    async def converted(
        self,
        deliveries: NamedDependency[Deliveries],
        request: ApiRequest,
        delivery_id: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> DeliveryView:
        """Tells the protection against SMS pumping that a person was there. Without it, your traffic looks like codes
        that nobody answers. Repeating it changes nothing, with or without an `Idempotency-Key`.
        """
        parse_idempotency_key(idempotency_key)
        return delivery_view(await deliveries.converted(request.user.application, delivery_id))
