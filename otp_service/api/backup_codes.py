"""Route of /v1/factors/backup-codes."""

from __future__ import annotations

from typing import cast

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from otp_service.api import factor_views as views
from otp_service.api.factor_schemas import OfSubject
from otp_service.api.factor_views import IssuedView
from otp_service.api.inputs import Called, IdempotencyKey, bare
from otp_service.api.problems import documented
from otp_service.domain import backup_codes
from otp_service.domain.scopes import KeyScope
from otp_service.service import Service


class BackupCodeController(Controller):
    path = "/v1/factors/backup-codes"
    tags = ("factors",)

    @post(
        operation_id="issueBackupCodes",
        opt={"scope": KeyScope.SEND},
        summary="Ten backup codes; those before are good no more",
        description="With `Accept: text/plain` the answer is the file that the person saves or prints.",
        responses=documented("factors_refused", "idempotency_key_reused", "confirmation_pending"),
    )
    async def issue(
        self,
        request: Called,
        service: NamedDependency[Service],
        data: JSONBody[OfSubject],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[IssuedView]:
        codes, state = await service.factors.issue_backup_codes(
            request.user.application, data.subject, request.user.actor, bare(idempotency_key)
        )
        if _wanted(request.headers.get("accept", "")) != "text/plain":
            return Response(views.issued_view(data.subject, codes, state), media_type="application/json")
        text = backup_codes.as_text(service.settings.applications[request.user.application].brand, codes)
        file = Response(
            text,
            media_type="text/plain",
            headers={"Content-Disposition": 'attachment; filename="backup-codes.txt"'},
        )
        return cast("Response[IssuedView]", file)


def _wanted(accept: str) -> str:
    """The media type that is named first."""
    return accept.split(",")[0].split(";")[0].strip().lower()
