"""What the forms of the demo have in common: the visitor's cookie, the way back to the page, sentences for refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from otp_service.sandbox.pages.demo_sessions import DemoSessions, Visit
from otp_service.sandbox.pages.language import Words
from otp_service.sandbox.pages.service import ServiceError, Verification
from otp_service.sandbox.pages.words import PROBLEMS_IN_RUSSIAN

COOKIE = "sandbox_demo"

Form = URLEncodedBody[dict[str, str]]
AnyRequest = Request[Any, Any, Any]


class NothingPendingError(Exception):
    """The form belongs to an earlier page: the visitor has gone on in another window, or comes back after long."""


def visit_of(request: AnyRequest, sessions: DemoSessions) -> Visit:
    return sessions.find(request.cookies.get(COOKIE, ""))


def pending(visit: Visit) -> Verification:
    """Raises NothingPendingError."""
    if visit.verification is None:
        raise NothingPendingError
    return visit.verification


async def stepped(
    request: AnyRequest, sessions: DemoSessions, words: Words, step: Callable[[Visit], Awaitable[Visit]]
) -> Redirect:
    """Take a step of the visit, and show where it led, or why it could not be taken.

    step: may raise ServiceError and NothingPendingError.
    """
    visit = visit_of(request, sessions)
    try:
        visit = await step(visit)
    except ServiceError as error:
        visit = replace(visit, error=sentence(error, words))
    except NothingPendingError:
        visit = Visit(error=words["nothing_pending"])
    return back(request, sessions, visit)


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
