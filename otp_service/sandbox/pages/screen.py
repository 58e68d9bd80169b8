"""The phone's screen: messages as HTML, newest first. Used by the inbox and by the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import islice

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from otp_service.sandbox.cabinet import Incoming
from otp_service.sandbox.messages import Message, Status, Viber
from otp_service.sandbox.pages.html import fill, fragment
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.state import Sandbox

SHOWN = 50
SEARCHED = 10_000
"""Words are looked for in so many newest messages."""

GATEWAYS = {
    "targetsms-password": "TargetSMS · password",
    "targetsms-xml": "TargetSMS · XML",
    "targetsms-get": "TargetSMS · GET",
    "targetsms-json": "TargetSMS · JSON",
    "smska": "sms-ka",
    "telegram": "Telegram",
    "smtp": "E-mail",
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
AVATARS = {"telegram": "✈", "smtp": "✉"}

CODE = re.compile(r"(?<![\w+])\d{4,10}(?!\w)", re.ASCII)
"""The first such number in a text is shown as the code."""


@get("/fragments/screen", sync_to_thread=False)
def screen_fragment(
    sandbox: NamedDependency[Sandbox],
    words: NamedDependency[Words],
    phone: FromQuery[str] = "",
    q: FromQuery[str] = "",
) -> Response[str]:
    return fragment(screen(sandbox, words, phone, q))


def screen(sandbox: Sandbox, words: Mapping[str, str], phone: str, q: str = "") -> str:
    """phone: compared by digits; empty: all phones. q: words that must be in the text, the subject or the sender."""
    wanted = q.strip().casefold()
    found = (one for one in uncleared(sandbox, phone) if wanted in f"{one.text} {one.subject} {one.sender}".casefold())
    own = (one for one in _own(sandbox, phone) if wanted in one.text.casefold())
    shown = [(one.taken_at, _message(sandbox, words, one)) for one in islice(found, SHOWN)]
    shown += [(one.received_at, _sent(words, one)) for one in islice(own, SHOWN)]
    if not shown:
        return fill("no_messages", words, why=words["nothing_found" if wanted else "no_messages"])
    shown.sort(key=lambda pair: pair[0], reverse=True)
    return "\n".join(html for _, html in shown[:SHOWN])


def uncleared(sandbox: Sandbox, phone: str) -> Iterator[Message]:
    """Newest first, as far back as the page looks."""
    since = sandbox.shown_since
    return (one for one in sandbox.newest(phone, SEARCHED) if since is None or one.taken_at > since)


def _own(sandbox: Sandbox, phone: str) -> Iterator[Incoming]:
    """What the phone has sent itself, newest first. phone: as of `screen`."""
    digits, since = "".join(filter(str.isdigit, phone)), sandbox.shown_since
    received = (sms for cabinet in sandbox.cabinets.values() for sms in reversed(cabinet.incoming))
    return (
        sms for sms in received
        if (since is None or sms.received_at > since)
        and (not phone or ("@" not in phone and sms.originator == digits))
    )  # fmt: skip


def _sent(words: Mapping[str, str], sms: Incoming) -> str:
    return fill(
        "sent",
        words,
        text=sms.text,
        phone=shown(sms.originator),
        to=shown(sms.phone),
        time=sms.received_at.isoformat(timespec="seconds"),
        clock=sms.received_at.strftime("%H:%M UTC"),
    )


def _message(sandbox: Sandbox, words: Mapping[str, str], message: Message) -> str:
    status, _ = message.status_at(sandbox.clock.now())
    beside = ""  # the HTML of a mail is a page of its own
    if message.viber:
        beside = _viber(words, message.viber)
    elif message.html:
        beside = fill("mail", words, id=message.id)
    return fill(
        "message",
        words,
        html={
            "text": _with_code(message.text),
            "avatar": f'<span class="avatar" aria-hidden="true">{AVATARS[message.gateway]}</span>'
            if message.gateway in AVATARS
            else "",
            "viber": beside,
        },
        sender=message.sender,
        subject=message.subject,
        phone=shown(message.phone),
        gateway=f"{GATEWAYS[message.gateway]} · Viber" if message.viber else GATEWAYS[message.gateway],
        gateway_class="viber" if message.viber else message.gateway,
        time=message.taken_at.isoformat(timespec="seconds"),
        clock=message.taken_at.strftime("%H:%M UTC"),
        size=f"{message.parts} {words['parts']}" if message.parts > 1 else "",
        status=words[status],
        status_class=status,
        ticks=TICKS.get(status, FAILED),
    )


def shown(phone: str) -> str:
    """A phone or an address as people write it."""
    return phone if "@" in phone else f"+{phone}"


@get("/mails/{message_id:str}", sync_to_thread=False)
def mail_page(sandbox: NamedDependency[Sandbox], message_id: FromPath[str]) -> Response[str]:
    """A mail as a mail program shows it: nothing is loaded, and nothing runs."""
    message = sandbox.messages.get(message_id)
    if message is None or not message.html:
        raise NotFoundException("There is no such mail.")
    return Response(
        message.html,
        media_type=MediaType.HTML,
        headers={
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
            "Cache-Control": "no-store",
        },
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
