"""Route of /v1/factors/backup-codes."""

from __future__ import annotations

from typing import cast

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest, IdempotencyKey, parse_idempotency_key
from otp_service.domain import backup_codes
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime
from otp_service.schemas import factors as views
from otp_service.schemas.factor_requests import OfSubject
from otp_service.schemas.factors import IssuedView


class BackupCodeController(Controller):
    path = "/v1/factors/backup-codes"
    tags = ("factors",)

    @post(
        operation_id="issueBackupCodes",
        opt={"scope": KeyScope.SEND},
        summary="Issue ten backup codes; earlier codes stop working",
        response_description="The codes, which are shown only here; as a text file with `Accept: text/plain`.",
        responses=documented("factors_refused", "idempotency_key_reused", "confirmation_pending"),
    )
    async def issue(
        self,
        request: ApiRequest,
        service: NamedDependency[Runtime],
        data: JSONBody[OfSubject],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[IssuedView]:
        """Backup codes let a person in who has lost the phone or the authenticator app. Each works once. Only hashes
        are kept, so nobody can show the codes again: show them to the person now, or offer the text file.
        """
        codes, state = await service.factors.issue_backup_codes(
            request.user.application, data.subject, request.user.actor, parse_idempotency_key(idempotency_key)
        )
        wanted = request.headers.get("accept", "").split(",")[0].split(";")[0]  # what is named first
        if wanted.strip().lower() != "text/plain":
            return Response(views.issued_view(data.subject, codes, state), media_type="application/json")
        text = backup_codes.as_text(service.settings.applications[request.user.application].brand, codes)
        file = Response(
            text,
            media_type="text/plain",
            headers={"Content-Disposition": 'attachment; filename="backup-codes.txt"'},
        )
        return cast("Response[IssuedView]", file)
