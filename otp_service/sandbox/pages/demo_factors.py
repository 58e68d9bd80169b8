"""The second half of the demo: turn on an authenticator app, keep backup codes, log in with either.

As a customer of the API would build it: the browser sees the QR code and never an API key or an id, and a login counts
only if the service approved it for this account (docs/two-factor.md).
"""

from __future__ import annotations

from dataclasses import replace

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from otp_service.sandbox.pages.authenticator import authenticator_fragment
from otp_service.sandbox.pages.demo_answers import (
    AnyRequest,
    Form,
    NothingPendingError,
    back,
    pending,
    stepped,
    visit_of,
)
from otp_service.sandbox.pages.demo_sessions import DemoSessions, Stage, Visit
from otp_service.sandbox.pages.html import fill
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.service import Service

REFUSALS = {"wrong_code": "wrong_code", "already_used": "used_code", "clock_off": "clock_off"}
"""Outcomes → what the visitor reads."""


@post("/demo/enrol")
async def enrol(
    request: AnyRequest,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    async def step(visit: Visit) -> Visit:
        if not visit.approved:
            raise NothingPendingError
        factor = await service.enrol(visit.account, pending(visit).to)
        return replace(visit, factor=factor, stage=Stage.ENROL, lost=False, error="")

    return await stepped(request, sessions, words, step)


@post("/demo/confirm")
async def confirm(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    """The first code proves that the app has the secret; then there are backup codes, shown once."""

    async def step(visit: Visit) -> Visit:
        if visit.stage is not Stage.ENROL or visit.factor is None:
            raise NothingPendingError
        checked = await service.confirm(visit.factor, visit.account, data.get("code", "").strip())
        if not checked.approved or checked.subject != visit.account:
            return replace(visit, error=words[REFUSALS.get(checked.outcome, "mismatch")])
        codes = (await service.issue_backup_codes(visit.account)).codes
        return replace(visit, stage=Stage.CODES, codes=tuple(codes), error="")

    return await stepped(request, sessions, words, step)


@get("/demo/backup-codes.txt", sync_to_thread=False)
def backup_codes(request: AnyRequest, sessions: NamedDependency[DemoSessions]) -> Response[str]:
    visit = visit_of(request, sessions)
    if visit.stage is not Stage.CODES:
        raise NotFoundException("There are no backup codes to be shown.")
    headers = {"Content-Disposition": 'attachment; filename="backup-codes.txt"', "Cache-Control": "no-store"}
    return Response("\n".join([*visit.codes, ""]), media_type="text/plain", headers=headers)


@post("/demo/logout", sync_to_thread=False)
def logout(request: AnyRequest, sessions: NamedDependency[DemoSessions], words: NamedDependency[Words]) -> Redirect:
    visit = visit_of(request, sessions)
    if visit.stage not in (Stage.CODES, Stage.IN):
        return back(request, sessions, Visit(error=words["nothing_pending"]))
    return back(request, sessions, replace(visit, stage=Stage.LOGIN, codes=(), error=""))


@post("/demo/lose", sync_to_thread=False)
def lose(request: AnyRequest, sessions: NamedDependency[DemoSessions]) -> Redirect:
    return back(request, sessions, replace(visit_of(request, sessions), lost=True, error=""))


@post("/demo/login")
async def login(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    """One field for both kinds of codes."""

    async def step(visit: Visit) -> Visit:
        if visit.stage is not Stage.LOGIN:
            raise NothingPendingError
        checked = await service.check_subject(visit.account, data.get("code", "").strip())
        if not checked.approved or checked.subject != visit.account:
            return replace(visit, error=words[REFUSALS.get(checked.outcome, "mismatch")])
        return replace(visit, stage=Stage.IN, login=checked, error="")

    return await stepped(request, sessions, words, step)


def shown(visit: Visit, words: Words, alert: str) -> str:
    """The page of a visitor who has an authenticator, or is about to."""
    html = {"alert": alert}
    match visit.stage:
        case Stage.ENROL if visit.factor:
            qr, secret = visit.factor.qr_svg or "", visit.factor.secret or ""
            spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
            return fill("demo_enrol", words, html=html, qr=qr, secret=spaced, uri=visit.factor.uri or "")
        case Stage.CODES:
            listed = "".join(f"<li>{code}</li>" for code in visit.codes)  # letters, digits and hyphens
            return fill("demo_backup_codes", words, html=html | {"codes": listed})
        case Stage.LOGIN:
            lose_it = "" if visit.lost else fill("demo_lose", words)
            return fill(
                "demo_login",
                words,
                html=html | {"lose": lose_it},
                lead=words["lost_lead" if visit.lost else "login_lead"],
            )
        case _:
            left = visit.login.backup_codes_left if visit.login else None
            by = words["by_app"] if left is None else f"{words['by_backup_code']} {words['codes_left']} {left}"
            return fill("demo_in", words, by=by)


HANDLERS = (authenticator_fragment, enrol, confirm, backup_codes, logout, lose, login)
