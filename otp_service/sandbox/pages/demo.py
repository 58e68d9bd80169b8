"""`/demo`: a shop that signs people up by phone, as a customer of otp-service would build it.

Each form is posted to the handlers below, which call the service and send the browser back to the page. What comes
after the welcome, the authenticator app and the login, is in demo_factors.py.
"""

from __future__ import annotations

from dataclasses import replace

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from otp_service.sandbox.pages import demo_factors
from otp_service.sandbox.pages.authenticator import authenticator
from otp_service.sandbox.pages.demo_answers import AnyRequest, Form, back, pending, sentence, stepped, visit_of
from otp_service.sandbox.pages.demo_sessions import DemoSessions, Stage, Visit
from otp_service.sandbox.pages.demo_ways import WAYS, phone_writes, show_inbound, ways
from otp_service.sandbox.pages.html import fill, page
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.screen import screen
from otp_service.sandbox.pages.service import PURPOSE, Check, Service, ServiceError, Verification
from otp_service.sandbox.state import Sandbox

OUTCOME_WORDS = {
    "already_approved": "already_approved",
    "expired": "expired_code",
    "exhausted": "exhausted",
    "canceled": "canceled_code",
    "failed": "failed",
}
"""The outcomes that end a sign-up → what the visitor reads."""


@get("/demo", sync_to_thread=False)
def demo(
    request: AnyRequest,
    sandbox: NamedDependency[Sandbox],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Response[str]:
    visit = visit_of(request, sessions)
    phone = visit.verification.to if visit.verification else visit.phone
    html = {
        "step": _step(visit, words),
        "screen": screen(sandbox, words, phone) if phone else fill("no_messages", words, why=words["no_messages"]),
        "app": fill("app_block", words, html={"app": authenticator(visit, words)}) if visit.factor else "",
    }
    html["compose"] = phone_writes(visit, words)
    content = fill("demo", words, html=html, phone=phone, live="/fragments/screen" if phone else "")
    return page(content, words, title=words["shop"])


@get("/demo/what-happened", sync_to_thread=False)
def what_happened(
    request: AnyRequest, sessions: NamedDependency[DemoSessions], service: NamedDependency[Service]
) -> Redirect:
    """On to the service's console, which shows to developers what becomes of the code."""
    found = visit_of(request, sessions).verification
    return Redirect(f"{service.url}/console/status/{found.id}" if found else "/demo", status_code=303)


@post("/demo/start")
async def start(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    way = data.get("channel", "sms")
    visit = Visit(phone=data.get("phone", "").strip(), channel=way if way in WAYS else "sms")
    try:
        verification = await service.start(visit.phone, words["lang"], visit.account, visit.channel)
    except ServiceError as error:
        return back(request, sessions, replace(visit, error=sentence(error, words)))
    visit = replace(visit, verification=verification, attempts_left=verification.attempts_left)
    return back(request, sessions, visit)


@post("/demo/check")
async def check(
    request: AnyRequest,
    data: Form,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    async def step(visit: Visit) -> Visit:
        found = pending(visit)
        return _judged(visit, found, await service.check(found, data.get("code", "").strip()), words)

    return await stepped(request, sessions, words, step)


@post("/demo/resend")
async def resend(
    request: AnyRequest,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    async def step(visit: Visit) -> Visit:
        return replace(visit, verification=await service.resend(pending(visit)), error="", note="")

    return await stepped(request, sessions, words, step)


@post("/demo/restart", sync_to_thread=False)
def restart(request: AnyRequest, sessions: NamedDependency[DemoSessions]) -> Redirect:
    return back(request, sessions, Visit())


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
    """One of three: the phone, the code, the welcome; or a later one."""
    alert = fill("demo_error", words, error=visit.error) if visit.error else ""
    if visit.stage is not Stage.SIGN_UP:
        return demo_factors.shown(visit, words, alert)
    if visit.verification is None:
        html = {"alert": alert, "ways_html": ways(words, visit.channel)}
        return fill("demo_phone", words, html=html, phone=visit.phone)
    if visit.approved:
        return fill("demo_welcome", words, html={"alert": alert}, phone=visit.verification.to)
    if visit.verification.inbound:
        return show_inbound(visit, visit.verification.inbound, words, alert)
    resend_at = visit.verification.resend_at
    note = fill("demo_note", words, note=visit.note) if visit.note else ""
    return fill(
        "demo_code",
        words,
        html={"alert": alert, "note": note},
        phone=visit.verification.to,
        attempts=str(visit.attempts_left),
        resend_at=resend_at.isoformat() if resend_at else "",
    )
