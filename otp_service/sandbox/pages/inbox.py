"""`/`: the phone that receives what the simulated gateways took."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from otp_service.sandbox.messages import (
    CLOSED_AREA_ENDING,
    EARLY_ENDING,
    FATES,
    STOP_LIST_ENDING,
    TWICE_ENDING,
    UNREAD_ENDING,
    VIBER_FATES,
)
from otp_service.sandbox.pages.html import fill, fragment, page
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.screen import screen
from otp_service.sandbox.state import Sandbox

LOOKED_AT = 1_000
"""The list of phones is made from so many newest messages."""


@get("/", sync_to_thread=False)
def inbox(
    sandbox: NamedDependency[Sandbox], words: NamedDependency[Words], phone: FromQuery[str] = ""
) -> Response[str]:
    html = {
        "phones_html": _phones(sandbox, words, phone),
        "screen": screen(sandbox, words, phone),
        "fates_html": _fates(words),
    }
    content = fill("inbox", words, html=html, phone=phone)
    return page(content, words, title=words["inbox_title"])


@get("/fragments/phones", sync_to_thread=False)
def phones_fragment(
    sandbox: NamedDependency[Sandbox], words: NamedDependency[Words], phone: FromQuery[str] = ""
) -> Response[str]:
    return fragment(_phones(sandbox, words, phone))


def _phones(sandbox: Sandbox, words: Mapping[str, str], chosen: str) -> str:
    """Phones in the order of their newest message, with the number of messages of each."""
    counts: dict[str, int] = {}
    for message in sandbox.newest("", LOOKED_AT):
        counts[message.phone] = counts.get(message.phone, 0) + 1
    digits = "".join(filter(str.isdigit, chosen))
    rows = [("", words["all_phones"], sum(counts.values()))]
    rows += [(phone, f"+{phone}", count) for phone, count in counts.items()]
    return "\n".join(
        f'<li><a href="/?phone={phone}"{" aria-current=page" if phone == digits else ""}>'
        f"<span>{escape(label)}</span><span class=count>{count}</span></a></li>"
        for phone, label, count in rows
    )


def _fates(words: Mapping[str, str]) -> str:
    rows = {STOP_LIST_ENDING: words["fate_stop_list"], CLOSED_AREA_ENDING: words["fate_closed"]}
    rows |= {ending: words[fate] if fate else words["fate_no_report"] for ending, fate in FATES.items()}
    rows |= dict.fromkeys(VIBER_FATES.keys() - FATES.keys(), words["fate_viber_read"])
    rows |= {
        UNREAD_ENDING: words["fate_viber_unread"],
        EARLY_ENDING: words["fate_early"],
        TWICE_ENDING: words["fate_twice"],
    }
    listed = [*sorted(rows.items()), (words["fate_other"], words["delivered"])]
    return "".join(f"<dt>{escape(ending)}</dt><dd>{escape(meaning)}</dd>" for ending, meaning in listed)
