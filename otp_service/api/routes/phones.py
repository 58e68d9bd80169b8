"""Routes of /v1/phones. A phone is named in the body only: URLs end up in logs."""

from __future__ import annotations

import math

import msgspec
import structlog
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest, IdempotencyKey, parse_idempotency_key
from otp_service.domain.recipients import mask
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime
from otp_service.schemas.incoming import Incoming
from otp_service.schemas.verifications import PhoneText
from otp_service.storage.audit import Action


class UnlockPhone(Incoming):
    to: PhoneText


class Unlocked(msgspec.Struct, kw_only=True):
    """forgotten: how many wrong codes in a row the phone had in this application. pause_seconds: for how long it could
    not have been sent to. limits: by name, how many events each had counted."""

    to: str
    forgotten: int
    pause_seconds: int
    limits: dict[str, int]


class PhoneController(Controller):
    path = "/v1/phones"
    tags = ("phones",)

    @post(
        "/unlock",
        status_code=200,
        operation_id="unlockPhone",
        summary="Unlock a phone",
        response_description="What was cleared.",
        opt={"scope": KeyScope.ADMIN},
        responses=documented("invalid_phone", "invalid_address"),
    )
    async def unlock(
        self,
        service: NamedDependency[Runtime],
        request: ApiRequest,
        data: JSONBody[UnlockPhone],
        idempotency_key: IdempotencyKey = None,
    ) -> Unlocked:
        """Clears every count that holds the phone back in your application: its wrong codes in a row, the pause after
        its last message, and limits that count by the phone. Do it only when you know that the holder of the phone
        asks: it counts as binding the phone anew (NIST SP 800-63B-4 §3.2.2). Repeating it changes nothing.
        """
        parse_idempotency_key(idempotency_key)
        caller, admission = request.user, service.admission
        e164, index = admission.named(caller.application, data.to)
        await service.stores.audit.record(caller.actor, Action.PHONE_UNLOCKED, index, application=caller.application)
        found = await admission.unlock(caller.application, e164)
        structlog.contextvars.bind_contextvars(to=mask(e164), forgotten=found.failures)
        pause_seconds = math.ceil(found.pause_ms / 1000)
        return Unlocked(to=e164, forgotten=found.failures, pause_seconds=pause_seconds, limits=dict(found.limits))
