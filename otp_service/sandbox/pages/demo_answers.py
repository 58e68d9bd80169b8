"""What the forms of the demo have in common: the visitor's cookie, the way back to the page, sentences for refusals."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from otp_service.sandbox.pages.demo_sessions import DemoSessions, Visit
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.service import ServiceError
from otp_service.sandbox.pages.words import PROBLEMS_IN_RUSSIAN

COOKIE = "sandbox_demo"

Form = URLEncodedBody[dict[str, str]]
AnyRequest = Request[Any, Any, Any]


def visit_of(request: AnyRequest, sessions: DemoSessions) -> Visit:
    return sessions.find(request.cookies.get(COOKIE, ""))


def sentence(error: ServiceError, words: Words) -> str:
    """The service's own sentence, which is English, in the page's language; ours where the demo is at fault."""
    if error.word == "refused":
        translated = PROBLEMS_IN_RUSSIAN.get(error.code) if words["lang"] == "ru" else None
        return translated or error.detail
    return f"{words[error.word]} {error.detail}".strip()


def back(request: AnyRequest, sessions: DemoSessions, visit: Visit) -> Redirect:
    key = sessions.keep(request.cookies.get(COOKIE, ""), visit)
    cookie = Cookie(key=COOKIE, value=key, path="/demo", httponly=True, samesite="strict")
    return Redirect("/demo", status_code=303, cookies=[cookie])
