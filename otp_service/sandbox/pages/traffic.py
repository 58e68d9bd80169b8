"""`/traffic`: what the gateways were asked, and what is to go wrong with them, by a click."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import islice

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.response import Redirect

from otp_service.sandbox.faults import Fault
from otp_service.sandbox.pages.demo_answers import Form
from otp_service.sandbox.pages.html import fill, fragment, page
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.state import Sandbox

SHOWN = 100
POLLED = "incoming"
"""Asked each second, so it would be all that there is to see. `/_sim/requests` has it."""
SENDING = {
    "*": "",
    "password": "TargetSMS · password",
    "xml": "TargetSMS · XML",
    "get": "TargetSMS · GET",
    "json": "TargetSMS · JSON",
    "smska": "sms-ka",
    "sendVerificationMessage": "Telegram",
}
"""The operations that send, and * for all gateways, with the names that people read."""
FAULTS = {
    "fault_down": Fault("status", times=None),
    "fault_refused": Fault("reset", times=None),
    "fault_slow": Fault("stall", times=None),
    "fault_unclear": Fault("processed_then_reset", times=None),
    "fault_html": Fault("html", times=None),
}
"""What a click does, until the gateway is well again, by the word on the button."""


@get("/traffic", sync_to_thread=False)
def traffic(sandbox: NamedDependency[Sandbox], words: NamedDependency[Words]) -> Response[str]:
    html = {
        "gateways_html": "\n".join(_gateway(sandbox, words, gateway) for gateway in SENDING),
        "requests_html": _requests(sandbox, words),
    }
    return page(fill("traffic", words, html=html), words, title=words["traffic_title"])


@get("/fragments/requests", sync_to_thread=False)
def requests_fragment(sandbox: NamedDependency[Sandbox], words: NamedDependency[Words]) -> Response[str]:
    return fragment(_requests(sandbox, words))


@post("/traffic/faults", sync_to_thread=False)
def set_fault(sandbox: NamedDependency[Sandbox], data: Form) -> Redirect:
    """The gateway has this fault and no other; without one it is well again."""
    gateway, word = data.get("gateway", ""), data.get("fault", "")
    if gateway not in SENDING or word not in ("", *FAULTS):
        raise ClientException("There is no such gateway or fault here; POST /_sim/faults knows all.")
    sandbox.faults.heal(gateway)
    if word:
        fault = FAULTS[word]
        sandbox.faults.add(Fault(fault.fault, gateway, times=None))
    return Redirect("/traffic", status_code=303)


def _gateway(sandbox: Sandbox, words: Mapping[str, str], gateway: str) -> str:
    kinds = {fault.fault: word for word, fault in FAULTS.items()}
    ill = [words[kinds[fault.fault]] if fault.fault in kinds else fault.fault
           for fault, _ in sandbox.faults.list() if fault.gateway == gateway]  # fmt: skip
    buttons = "".join(f'<button name="fault" value="{word}">{escape(words[word])}</button>' for word in FAULTS)
    return fill(
        "traffic_gateway",
        words,
        html={"buttons": buttons},
        gateway=gateway,
        name=SENDING[gateway] or words["all_gateways"],
        state=", ".join(ill) or words["well"],
        state_class="ill" if ill else "well",
    )


def _requests(sandbox: Sandbox, words: Mapping[str, str]) -> str:
    """Newest first."""
    rows = "".join(
        f'<tr><td><time datetime="{asked.at.isoformat(timespec="seconds")}">{asked.at:%H:%M:%S} UTC</time></td>'
        f"<td>{escape(asked.operation)}</td><td>{escape(asked.outcome)}</td><td>{escape(asked.fault)}</td></tr>"
        for asked in islice((one for one in reversed(sandbox.requests) if one.operation != POLLED), SHOWN)
    )
    if not rows:
        return fill("no_messages", words, why=words["no_requests"])
    head = "".join(f"<th>{escape(words[word])}</th>" for word in ("time", "operation", "answer", "fault"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
