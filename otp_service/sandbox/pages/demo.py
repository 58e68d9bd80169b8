"""`/demo`: a shop that signs people up by phone, as a customer of otp-service would build it.

Each form is posted to the handlers below, which call the service and send the browser back to the page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from otp_service.sandbox.pages.demo_sessions import DemoSessions, Visit
from otp_service.sandbox.pages.html import fill, page
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.screen import screen
from otp_service.sandbox.pages.service import PURPOSE, Check, Service, ServiceError, Verification
from otp_service.sandbox.state import Sandbox

COOKIE = "sandbox_demo"

OUTCOME_WORDS = {
    "already_approved": "already_approved",
    "expired": "expired_code",
    "exhausted": "exhausted",
    "canceled": "canceled_code",
    "failed": "failed",
}
"""The outcomes that end a sign-up → what the visitor reads."""

Form = URLEncodedBody[dict[str, str]]
AnyRequest = Request[Any, Any, Any]


@get("/demo", sync_to_thread=False)
def demo(
    request: AnyRequest,
    sandbox: NamedDependency[Sandbox],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Response[str]:
    visit = sessions.find(request.cookies.get(COOKIE, ""))
    phone = visit.verification.to if visit.verification else visit.phone
    html = {
        "step": _step(visit, words),
        "screen": screen(sandbox, words, phone) if phone else fill("no_messages", words),
    }
    content = fill("demo", words, html=html, phone=phone, live="/fragments/screen" if phone else "")
    return page(content, words, title=words["shop"])


@post("/demo/start")
async def start(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    phone = data.get("phone", "").strip()
    try:
        verification = await service.start(phone, words["lang"])
    except ServiceError as error:
        return _back(request, sessions, Visit(phone=phone, error=_sentence(error, words)))
    visit = Visit(phone=phone, verification=verification, attempts_left=verification.attempts_left)
    return _back(request, sessions, visit)


@post("/demo/check")
async def check(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    visit = sessions.find(request.cookies.get(COOKIE, ""))
    if visit.verification is None:
        return _back(request, sessions, Visit(error=words["nothing_pending"]))
    try:
        checked = await service.check(visit.verification, data.get("code", "").strip())
    except ServiceError as error:
        return _back(request, sessions, replace(visit, error=_sentence(error, words)))
    return _back(request, sessions, _judged(visit, visit.verification, checked, words))


@post("/demo/resend")
async def resend(
    request: AnyRequest,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    visit = sessions.find(request.cookies.get(COOKIE, ""))
    if visit.verification is None:
        return _back(request, sessions, Visit(error=words["nothing_pending"]))
    try:
        verification = await service.resend(visit.verification)
    except ServiceError as error:
        return _back(request, sessions, replace(visit, error=_sentence(error, words)))
    return _back(request, sessions, replace(visit, verification=verification, error=""))


@post("/demo/restart", sync_to_thread=False)
def restart(request: AnyRequest, sessions: NamedDependency[DemoSessions]) -> Redirect:
    return _back(request, sessions, Visit())


def _judged(visit: Visit, verification: Verification, checked: Check, words: Words) -> Visit:
    """Approved counts only for the phone, the purpose and the verification of this visitor."""
    if checked.outcome == "wrong_code":
        return replace(visit, attempts_left=checked.attempts_left, error=words["wrong_code"])
    if not checked.approved:
        return Visit(phone=visit.phone, error=words[OUTCOME_WORDS.get(checked.outcome, "strange_answer")])
    if (checked.id, checked.to, checked.purpose) != (verification.id, verification.to, PURPOSE):
        return Visit(phone=visit.phone, error=words["mismatch"])
    return replace(visit, approved=True, error="")


def _step(visit: Visit, words: Words) -> str:
    """One of three: the phone, the code, the welcome."""
    alert = fill("demo_error", words, error=visit.error) if visit.error else ""
    if visit.verification is None:
        return fill("demo_phone", words, html={"alert": alert}, phone=visit.phone)
    if visit.approved:
        return fill("demo_welcome", words, phone=visit.verification.to)
    resend_at = visit.verification.resend_at
    return fill(
        "demo_code",
        words,
        html={"alert": alert},
        phone=visit.verification.to,
        attempts=str(visit.attempts_left),
        resend_at=resend_at.isoformat() if resend_at else "",
    )


def _sentence(error: ServiceError, words: Words) -> str:
    """The service's own sentence where it has one to a person; ours, with the detail, where the demo is at fault."""
    if error.word == "refused":
        return error.detail
    return f"{words[error.word]} {error.detail}".strip()


def _back(request: AnyRequest, sessions: DemoSessions, visit: Visit) -> Redirect:
    key = sessions.keep(request.cookies.get(COOKIE, ""), visit)
    cookie = Cookie(key=COOKIE, value=key, path="/demo", httponly=True, samesite="strict")
    return Redirect("/demo", status_code=303, cookies=[cookie])
