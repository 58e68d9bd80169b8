"""Routes of /v1/phones. A phone is named in the body only: URLs end up in logs."""

from __future__ import annotations

import msgspec
import structlog
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from otp_service.api.inputs import Called, IdempotencyKey, bare
from otp_service.api.problems import documented
from otp_service.api.schemas import Incoming, PhoneText
from otp_service.domain.phone import mask
from otp_service.domain.scopes import KeyScope
from otp_service.service import Service
from otp_service.storage.audit import Action


class UnlockPhone(Incoming):
    to: PhoneText


class Unlocked(msgspec.Struct, kw_only=True):
    """forgotten: how many wrong codes in a row the phone had in this application."""

    to: str
    forgotten: int


class PhoneController(Controller):
    path = "/v1/phones"
    tags = ("phones",)

    @post(
        "/unlock",
        status_code=200,
        operation_id="unlockPhone",
        summary="Forget the wrong codes in a row of a phone, so that a disabled one works again",
        opt={"scope": KeyScope.ADMIN},
        responses=documented("invalid_phone"),
    )
    async def unlock(
        self,
        service: NamedDependency[Service],
        request: Called,
        data: JSONBody[UnlockPhone],
        idempotency_key: IdempotencyKey = None,
    ) -> Unlocked:
        """It counts as binding the phone anew (NIST SP 800-63B-4 §3.2.2). Repeating it changes nothing."""
        bare(idempotency_key)
        caller, admission = request.user, service.admission
        e164, index = admission.named(caller.application, data.to)
        await service.audit.record(caller.actor, Action.PHONE_UNLOCKED, index, application=caller.application)
        forgotten = await admission.unlock(caller.application, e164)
        structlog.contextvars.bind_contextvars(to=mask(e164), forgotten=forgotten)
        return Unlocked(to=e164, forgotten=forgotten)
