"""`/`: the phone that receives what the simulated gateways took."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from otp_service.sandbox.messages import (
    CLOSED_AREA_ENDING,
    EARLY_ENDING,
    FATES,
    NOT_ON_TELEGRAM_ENDING,
    STOP_LIST_ENDING,
    TWICE_ENDING,
    UNREAD_ENDING,
    VIBER_FATES,
)
from otp_service.sandbox.pages.demo_ways import write_place
from otp_service.sandbox.pages.html import fill, fragment, page
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.screen import screen, shown, uncleared
from otp_service.sandbox.state import Sandbox


@get("/", sync_to_thread=False)
def inbox(
    sandbox: NamedDependency[Sandbox],
    words: NamedDependency[Words],
    phone: FromQuery[str] = "",
    q: FromQuery[str] = "",
) -> Response[str]:
    html = {
        "phones_html": _phones(sandbox, words, phone),
        "screen": screen(sandbox, words, phone, q),
        "fates_html": _fates(words),
        "compose": write_place(sandbox, words, phone),
    }
    content = fill("inbox", words, html=html, phone=phone, q=q)
    count = sum(1 for _ in uncleared(sandbox, ""))
    return page(content, words, title=f"({count}) {words['inbox_title']}" if count else words["inbox_title"])


@post("/clear", sync_to_thread=False)
def clear(sandbox: NamedDependency[Sandbox]) -> Redirect:
    """An empty page. Gateways still answer what became of these messages, and `/_sim/messages` has them."""
    sandbox.shown_since = sandbox.clock.now()
    return Redirect("/", status_code=303)


@get("/fragments/phones", sync_to_thread=False)
def phones_fragment(
    sandbox: NamedDependency[Sandbox], words: NamedDependency[Words], phone: FromQuery[str] = ""
) -> Response[str]:
    return fragment(_phones(sandbox, words, phone))


def _phones(sandbox: Sandbox, words: Mapping[str, str], chosen: str) -> str:
    """Phones in the order of their newest message, with the number of messages of each."""
    counts: dict[str, int] = {}
    for message in uncleared(sandbox, ""):
        counts[message.phone] = counts.get(message.phone, 0) + 1
    digits = chosen if "@" in chosen else "".join(filter(str.isdigit, chosen))
    rows = [("", words["all_phones"], sum(counts.values()))]
    rows += [(phone, shown(phone), count) for phone, count in counts.items()]
    listed = "\n".join(
        f'<li><a href="/?phone={quote(phone)}"{" aria-current=page" if phone == digits else ""}>'
        f"<span>{escape(label)}</span><span class=count>{count}</span></a></li>"
        for phone, label, count in rows
    )
    return f'<ul class="phones" data-total="{sum(counts.values())}">{listed}</ul>'


def _fates(words: Mapping[str, str]) -> str:
    rows = {STOP_LIST_ENDING: words["fate_stop_list"], CLOSED_AREA_ENDING: words["fate_closed"]}
    rows |= {ending: words[fate] if fate else words["fate_no_report"] for ending, fate in FATES.items()}
    rows |= dict.fromkeys(VIBER_FATES.keys() - FATES.keys(), words["fate_viber_read"])
    rows |= {
        UNREAD_ENDING: words["fate_viber_unread"],
        NOT_ON_TELEGRAM_ENDING: words["fate_not_on_telegram"],
        EARLY_ENDING: words["fate_early"],
        TWICE_ENDING: words["fate_twice"],
    }
    listed = [*sorted(rows.items()), (words["fate_other"], words["delivered"])]
    return "".join(f"<dt>{escape(ending)}</dt><dd>{escape(meaning)}</dd>" for ending, meaning in listed)
