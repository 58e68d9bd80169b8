"""The pages: `/` is the phone, `/traffic` the gateways, `/demo` the shop.

Rendered here; `static/live.js` asks for fragments every second.
"""

from __future__ import annotations

from pathlib import PurePath

from litestar import Response, Router, get
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from otp_service.sandbox.pages import demo, demo_factors, demo_ways
from otp_service.sandbox.pages.composing import send
from otp_service.sandbox.pages.html import STATIC, STATIC_TYPES
from otp_service.sandbox.pages.inbox import clear, inbox, phones_fragment
from otp_service.sandbox.pages.language import provide_words
from otp_service.sandbox.pages.screen import mail_page, screen_fragment
from otp_service.sandbox.pages.traffic import requests_fragment, set_fault, traffic


@get("/static/{name:str}", sync_to_thread=False)
def static(name: FromPath[str]) -> Response[bytes]:
    if name not in STATIC:
        raise NotFoundException(f"There is no file {name!r}.")
    return Response(STATIC[name], media_type=STATIC_TYPES[PurePath(name).suffix], headers={"Cache-Control": "no-cache"})


pages = Router(
    "/",
    route_handlers=[
        inbox,
        clear,
        send,
        traffic,
        set_fault,
        requests_fragment,
        phones_fragment,
        screen_fragment,
        mail_page,
        static,
        demo.demo,
        demo.start,
        demo.check,
        demo.resend,
        demo.restart,
        demo.what_happened,
        demo_ways.sent,
        demo_ways.no_code,
        *demo_factors.HANDLERS,
    ],
    dependencies={"words": Provide(provide_words, sync_to_thread=False)},
)
