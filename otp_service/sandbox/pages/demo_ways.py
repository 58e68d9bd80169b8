"""The ways of the demo beside an SMS: another channel, a code that the person sends, and "why did no code come?"."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from litestar import post
from litestar.di import NamedDependency
from litestar.response import Redirect

from otp_service.sandbox.pages.composing import compose
from otp_service.sandbox.pages.demo_answers import AnyRequest, pending, stepped
from otp_service.sandbox.pages.demo_sessions import DemoSessions, Visit
from otp_service.sandbox.pages.html import fill
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.service import Inbound, Service
from otp_service.sandbox.state import Sandbox

WAYS = ("sms", "telegram", "email", "auto", "inbound")
SENT_SECONDS = 10
"""How long who has sent the code waits for it to be there."""


def ways(words: Words, chosen: str) -> str:
    return "\n".join(
        f'<label><input type="radio" name="channel" value="{way}"{" checked" if way == chosen else ""}>'
        f" {escape(words[f'way_{way}'])}</label>"
        for way in WAYS
    )


def show_inbound(visit: Visit, inbound: Inbound, words: Words, alert: str) -> str:
    return fill(
        "demo_inbound",
        words,
        html={"alert": alert},
        phone=visit.verification.to if visit.verification else "",
        number=inbound.number,
        text=inbound.text,
        uri=inbound.uri,
        qr=inbound.qr_svg,
    )


def phone_writes(visit: Visit, words: Words) -> str:
    """The form on the demo's phone, filled in as its `sms:` link would."""
    found = visit.verification
    if found is None or found.inbound is None or visit.approved:
        return ""
    return compose(words, found.to, back="/demo", to=found.inbound.number, text=found.inbound.text)


@post("/demo/sent")
async def sent(
    request: AnyRequest,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    """The person says that the SMS is on its way; the service tells when it is there, and from which phone."""

    async def step(visit: Visit) -> Visit:
        sought = pending(visit)
        found = await service.read(sought, SENT_SECONDS)
        if found.status == "approved" and (found.id, found.to) == (sought.id, sought.to):
            return replace(visit, approved=True, error="")
        return replace(visit, error=words["not_come_yet" if found.status == "pending" else "expired_code"])

    return await stepped(request, sessions, words, step)


@post("/demo/no-code")
async def no_code(
    request: AnyRequest,
    service: NamedDependency[Service],
    sessions: NamedDependency[DemoSessions],
    words: NamedDependency[Words],
) -> Redirect:
    """What the service advises, in words for people."""

    async def step(visit: Visit) -> Visit:
        found = await service.read(pending(visit), 0)
        if found.advice == "inbound" and found.inbound is None:
            found = await service.resend(found, "inbound")
        word, _, channel = (found.advice or "ask_operator").partition(":")
        note = words.get(f"advice_{word}", words["advice_ask_operator"])
        if channel:
            note = note.replace("…", words.get(f"way_{channel}", channel))
        return replace(visit, verification=found, note=note, error="")

    return await stepped(request, sessions, words, step)


def write_place(sandbox: Sandbox, words: Words, phone: str) -> str:
    """The form of the inbox, for the phone that is shown, with the number that it wrote to last."""
    digits = "".join(filter(str.isdigit, phone))
    last = next(
        (sms.phone for sms in reversed(sandbox.cabinets["targetsms", "demo"].incoming) if sms.originator == digits), ""
    )
    return compose(words, phone, back="/", to=f"+{last}" if last else "")
