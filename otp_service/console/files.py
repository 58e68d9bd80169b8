"""Style sheet and script, the choice of a language, and nothing else that needs no session: they are there while Redis
is away, too, and their loading is no use of a session."""

from __future__ import annotations

from otp_service.console.rendering import STATIC, STATIC_TYPES
from otp_service.console.visit import LANGUAGE, Answer, Visit, page
from otp_service.console.words import LANGUAGES
from otp_service.errors import Refused

YEAR_SECONDS = 365 * 86_400


@page("/console/static/{name:str}", None, knows_session=False)
async def static(visit: Visit) -> Answer:
    name = visit.path("name")
    if name not in STATIC:
        raise Refused("not_found", "There is no such path.")
    found = visit.file(STATIC[name], STATIC_TYPES[name[name.rindex(".") :]])
    found.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    return found


@page("/console/language/{name:str}", None, knows_session=False)
async def language(visit: Visit) -> Answer:
    if visit.path("name") in LANGUAGES:
        visit.cookies.append((LANGUAGE, visit.path("name"), YEAR_SECONDS))
    back = visit.query("back")
    inside = back.startswith("/console") and back.isprintable() and back.isascii()
    return visit.go(back if inside else "/console")


PAGES = (static, language)
