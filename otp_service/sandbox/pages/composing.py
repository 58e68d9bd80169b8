"""`/send`: the phone writes an SMS to the service's number, which the account gets to read (X8)."""

from __future__ import annotations

from collections.abc import Mapping

from litestar import post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.response import Redirect

from otp_service.sandbox.cabinet import Incoming
from otp_service.sandbox.pages.demo_answers import Form
from otp_service.sandbox.pages.html import fill
from otp_service.sandbox.state import Sandbox

LONGEST = 1000
TO = "+79001112233"
"""The number of `otp-service run`."""


def compose(words: Mapping[str, str], phone: str, *, back: str, to: str = "", text: str = "") -> str:
    """The form on a phone; "" where no one phone is shown. back: the page to return to."""
    digits = "".join(filter(str.isdigit, phone))
    if not digits or "@" in phone:
        return ""
    return fill("compose", words, sender=digits, back=back, to=to or TO, text=text)


@post("/send", sync_to_thread=False)
def send(sandbox: NamedDependency[Sandbox], data: Form) -> Redirect:
    sender, to = ("".join(filter(str.isdigit, data.get(name, ""))) for name in ("from", "to"))
    text = data.get("text", "").strip()
    if not (0 < len(sender) <= 15 and 0 < len(to) <= 15 and 0 < len(text) <= LONGEST):
        raise ClientException("An SMS has a sender, a number that it goes to, and a text of up to 1,000 characters.")
    received = Incoming(sandbox.new_id(), sandbox.clock.now(), originator=sender, prefix="", phone=to, text=text)
    sandbox.cabinets["targetsms", "demo"].incoming.append(received)
    return Redirect("/demo" if data.get("back") == "/demo" else f"/?phone={sender}", status_code=303)
