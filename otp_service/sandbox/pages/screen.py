"""The phone's screen: messages as HTML, newest first. Used by the inbox and by the demo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from otp_service.sandbox.messages import Message, Status, Viber
from otp_service.sandbox.pages.html import fill, fragment
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.state import Sandbox

SHOWN = 50

GATEWAYS = {
    "targetsms-password": "TargetSMS · password",
    "targetsms-xml": "TargetSMS · XML",
    "targetsms-get": "TargetSMS · GET",
    "targetsms-json": "TargetSMS · JSON",
    "smska": "sms-ka",
}
TICKS = {
    Status.SCHEDULED: "◷",
    Status.HELD: "◷",
    Status.ACCEPTED: "✓",
    Status.DELIVERED: "✓✓",
    Status.READ: "✓✓",
    Status.UNKNOWN: "✓?",
}
FAILED = "✕"

CODE = re.compile(r"(?<![\w+])\d{4,10}(?!\w)", re.ASCII)
"""The first such number in a text is shown as the code."""


@get("/fragments/screen", sync_to_thread=False)
def screen_fragment(
    sandbox: NamedDependency[Sandbox], words: NamedDependency[Words], phone: FromQuery[str] = ""
) -> Response[str]:
    return fragment(screen(sandbox, words, phone))


def screen(sandbox: Sandbox, words: Mapping[str, str], phone: str) -> str:
    """phone: compared by digits; empty: all phones."""
    messages = sandbox.newest(phone, SHOWN)
    if not messages:
        return fill("no_messages", words)
    return "\n".join(_message(sandbox, words, message) for message in messages)


def _message(sandbox: Sandbox, words: Mapping[str, str], message: Message) -> str:
    status, _ = message.status_at(sandbox.clock.now())
    return fill(
        "message",
        words,
        html={"text": _with_code(message.text), "viber": _viber(words, message.viber) if message.viber else ""},
        sender=message.sender,
        phone=message.phone,
        gateway=f"{GATEWAYS[message.gateway]} · Viber" if message.viber else GATEWAYS[message.gateway],
        gateway_class="viber" if message.viber else message.gateway,
        time=message.taken_at.isoformat(timespec="seconds"),
        clock=message.taken_at.strftime("%H:%M UTC"),
        size=f"{message.parts} {words['parts']}" if message.parts > 1 else "",
        status=words[status],
        status_class=status,
        ticks=TICKS.get(status, FAILED),
    )


def _viber(words: Mapping[str, str], viber: Viber) -> str:
    """Button and image as text: nothing is loaded from where they point to."""
    return fill(
        "viber",
        words,
        button=f"{viber.button_text} → {viber.button_url}" if viber.button_text else "",
        image=viber.image_url,
    )


def _with_code(text: str) -> str:
    found = CODE.search(text)
    if found is None:
        return escape(text)
    code = f'<button type="button" class="code" data-code="{found[0]}">{found[0]}</button>'
    return escape(text[: found.start()]) + code + escape(text[found.end() :])
