"""The audit log over HTTP, for keys with the scope `admin`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from otp_service.api.problems import documented
from otp_service.api.requests import ApiRequest
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime
from otp_service.settings.section import END
from otp_service.storage.audit import PAGE, told

After = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[0-9]{1,19}-[0-9]{1,19}" + END,
        description="`next` of the page before; without it, from the oldest entry.",
    ),
]


class AuditEntry(msgspec.Struct, kw_only=True):
    """`at`: ISO 8601, UTC. `application` is null where the entry is about the service as a whole."""

    id: str
    at: str
    actor: str
    action: str
    application: str | None
    subject: str | None
    details: dict[str, Any]


class AuditPage(msgspec.Struct, kw_only=True):
    """`next`: what to ask with `after` for the next page; null at the end. A page may be empty and not the last."""

    entries: list[AuditEntry]
    next: str | None


@get(
    "/v1/audit",
    operation_id="listAudit",
    summary="List the audit log, oldest first",
    response_description="A page of entries.",
    tags=["audit"],
    opt={"scope": KeyScope.ADMIN},
    responses=documented(),
)
async def entries(service: NamedDependency[Runtime], request: ApiRequest, after: After = None) -> AuditPage:
    """Who did what: API keys that were made, factors that were removed, phones that were unlocked, and so on. Shows the
    entries about the key's own application and about the service as a whole. Needs the scope `admin`.
    """
    found = await service.stores.audit.page(after or "")
    return AuditPage(
        entries=[AuditEntry(**told(entry)) for entry in found if entry.application in ("", request.user.application)],
        next=found[-1].id if len(found) == PAGE else None,
    )
