"""One request of a browser: who asks, in which language, and how it is answered.

Every page and every change is declared with the role that it needs. A change carries the token of its session, and
comes from our own pages; anything else is refused before its handler is asked.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from otp_service.api.auth import PUBLIC
from otp_service.api.edge.client_address import client_address, is_trusted_peer
from otp_service.api.problems import STATUSES
from otp_service.console.rendering import render
from otp_service.console.words import LANGUAGES, WORDS
from otp_service.domain.networks import address
from otp_service.domain.operators import Operator, Role
from otp_service.domain.value import Value
from otp_service.errors import OtpError, Refused, StorageUnavailable, Unreadable
from otp_service.gateways.base import Finding
from otp_service.operators.accounts import Accounts
from otp_service.operators.signing_in import SigningIn
from otp_service.runtime import Runtime
from otp_service.storage.audit import Action
from otp_service.storage.operators import Session

COOKIE = "otp_console"
LANGUAGE = "otp_console_language"
NEEDS = "console_role"
"""In a handler's `opt`: the role that it needs; None where nobody need have signed in."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MOST_FIELDS = 100
RENEWAL = "x-console-renewal"
"""Sent by a page that renews itself."""
VIEW_SECONDS = 900.0
"""So often the audit log is told of a page that stays open."""
MOST_VIEWS = 10_000

log = structlog.get_logger()
Answer = Response[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What the pages work with. examine: what `otp-service doctor` finds."""

    service: Runtime
    accounts: Accounts
    signing_in: SigningIn
    examine: Callable[[], AsyncIterator[Finding]]
    views: dict[tuple[str, Action, str], float] = field(default_factory=dict)
    """Which session saw what when, in seconds of the monotonic clock: the newest `MOST_VIEWS`."""

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by https; `public_url` is http on loopback alone."""
        return urlsplit(self.service.settings.service.public_url).scheme == "https"


class Visit:
    """What a handler is given."""

    def __init__(self, console: Console, request: Request[Any, Any, Any], session: Session | None) -> None:
        self.console = console
        self.service = console.service
        self.request = request
        self.session = session
        self.form: dict[str, list[str]] = {}
        self.cookies: list[tuple[str, str, int]] = []

    @property
    def signed_in(self) -> Session:
        """Raises Refused where there is none."""
        if self.session is None:
            raise Refused("insufficient_scope", "You have to sign in first.")
        return self.session

    @property
    def operator(self) -> Operator:
        return self.signed_in.operator

    @property
    def actor(self) -> str:
        return self.operator.actor

    @property
    def language(self) -> str:
        chosen = self.request.cookies.get(LANGUAGE, "")
        wanted = self.request.headers.get("accept-language", "").strip().lower()
        return chosen if chosen in LANGUAGES else "ru" if wanted.startswith("ru") else "en"

    @property
    def csrf(self) -> str:
        return self.session.derived("csrf") if self.session else ""

    @property
    def applications(self) -> Sequence[str]:
        return list(self.service.settings.applications)

    @property
    def application(self) -> str:
        """The one that the page is about: asked for by name, else the first. Raises Refused."""
        named = self.value("application") or self.query("application") or self.applications[0]
        if named not in self.service.settings.applications:
            raise Refused("not_found", "There is no such application.")
        return named

    def may(self, role: str) -> bool:
        return self.session is not None and self.session.stage == "full" and self.operator.role.covers(Role(role))

    def say(self, word: str) -> str:
        return WORDS[word][LANGUAGES.index(self.language)]

    def require(self, role: Role) -> None:
        """Raises Refused."""
        if not self.may(role):
            raise Refused("insufficient_scope", "Your role may not do this.")

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        return str(self.request.query_params.get(name, ""))[:512]

    def value(self, name: str) -> str:
        return (self.form.get(name) or [""])[0].strip()

    def page(self, template: str, status: int = 200, **data: Any) -> Answer:
        html = render(template, self, data)
        return self._answer(Response(html, status_code=status, media_type=MediaType.HTML))

    def go(self, path: str, **query: str) -> Answer:
        """On to another page, by GET."""
        found = {name: value for name, value in query.items() if value}
        where = f"{path}?{urlencode(found)}" if found else path
        return self._answer(Response("", status_code=303, media_type=MediaType.TEXT, headers={"Location": where}))

    def file(self, content: bytes | AsyncIterator[bytes], media_type: str, name: str = "") -> Answer:
        """content: as a whole, or piece by piece where it may be long."""
        headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
        if isinstance(content, bytes):
            return self._answer(Response(content, media_type=media_type, headers=headers))
        return self._answer(Stream(content, media_type=media_type, headers=headers))

    def keep(self, token: str) -> None:
        """Sign in: the browser sends this from now on; with '' it forgets what it had."""
        self.cookies.append((COOKIE, token, 0 if token else -1))

    async def record(self, action: Action, subject: str = "", **details: str | int) -> None:
        """In the audit log, under the operator's name."""
        application = str(details.pop("application", ""))
        await self.service.stores.audit.record(self.actor, action, subject, application=application, **details)

    async def record_view(self, action: Action, subject: str = "", *, application: str) -> None:
        """That something personal was seen. A page that renews itself is told of once in a while: for who sends such
        requests alone, as for anybody."""
        view = (self.signed_in.derived("view"), action, subject or application)
        seen, now = self.console.views, time.monotonic()
        if RENEWAL in self.request.headers and now - seen.get(view, -VIEW_SECONDS) < VIEW_SECONDS:
            return
        await self.record(action, subject, application=application)
        seen.pop(view, None)
        seen[view] = now
        if len(seen) > MOST_VIEWS:
            del seen[next(iter(seen))]

    def _answer(self, response: Answer) -> Answer:
        response.headers.update(
            {
                "Content-Security-Policy": POLICY,
                "Cross-Origin-Opener-Policy": "same-origin",
                "Referrer-Policy": "same-origin",  # with none, a browser would not say where a form of ours comes from
            }
        )
        for name, value, life in self.cookies:
            response.set_cookie(
                name,
                value,
                max_age=0 if life < 0 else life or None,
                path="/console",
                secure=self.console.is_secure,
                httponly=True,
                samesite="strict",
            )
        return response


Show = Callable[[Visit], Awaitable[Answer]]


class Page(Value):
    """role: None where nobody need have signed in. method: GET shows, POST changes. knows_session: whether it asks who
    has signed in, and so Redis."""

    method: Literal["GET", "POST"]
    route: str
    role: Role | None
    show: Show
    knows_session: bool = True

    def handler(self, console: Console) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
            return await _answered(console, self, request)

        decorated = get if self.method == "GET" else post
        name = f"console {self.method} {self.route}"
        opt = {PUBLIC: True, NEEDS: self.role}
        status = {} if self.method == "GET" else {"status_code": 200}
        return decorated(self.route, name=name, include_in_schema=False, opt=opt, **status)(handle)  # type: ignore[arg-type]


def page(route: str, role: Role | None = Role.VIEWER, *, knows_session: bool = True) -> Callable[[Show], Page]:
    """A page. It changes nothing."""
    return lambda show: Page("GET", route, role, show, knows_session)


def change(route: str, role: Role | None) -> Callable[[Show], Page]:
    """What a form of ours asks for."""
    return lambda show: Page("POST", route, role, show)


async def _answered(console: Console, wanted: Page, request: Request[Any, Any, Any]) -> Answer:
    visit = Visit(console, request, None)
    try:
        _refuse_strangers(console, request)
        visit.session = await _session(console, request) if wanted.knows_session else None
        if visit.session:
            structlog.contextvars.bind_contextvars(operator=visit.session.operator.id)
        if wanted.role is not None and not visit.may(Role.VIEWER):
            return visit.go("/console/sign-in")
        if wanted.role is not None:
            visit.require(wanted.role)
        if wanted.method == "POST":
            visit.form = _form(await request.body())
            _refuse_foreign(visit, needed=wanted.role is not None)
        return await wanted.show(visit)
    except Unreadable:
        return visit.page("refused.html", 503, sentence=visit.say("unreadable"), wait=0)
    except StorageUnavailable as refusal:
        return _refused(visit, refusal)
    except Refused as refusal:
        return _refused(visit, refusal)
    except OtpError as error:
        return _refused(visit, Refused(error.code, str(error)))


def _refused(visit: Visit, refusal: Refused) -> Answer:
    word = f"refused_{refusal.code}"
    sentence = visit.say(word) if word in WORDS else refusal.detail
    wait = math.ceil(refusal.retry_after) if refusal.retry_after else 0
    return visit.page("refused.html", STATUSES.get(refusal.code, 500), sentence=sentence, wait=wait)


def _refuse_strangers(console: Console, request: Request[Any, Any, Any]) -> None:
    networks = console.service.settings.console.networks
    where = client_address(request.scope) or address("127.0.0.1")  # over a Unix socket, from this machine
    if networks and not any(where in network for network in networks if where):
        raise Refused("network_not_allowed", "The console may not be opened from this address (console.networks).")


def _refuse_foreign(visit: Visit, *, needed: bool) -> None:
    """A change has to come from a page of ours (Fetch Metadata, RFC 6454), and to know its session."""
    headers = visit.request.headers
    site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin", "")
    here = f"{origin.partition('://')[0]}://{headers.get('host', '')}"
    ours = {host_and_port(here), host_and_port(visit.service.settings.service.public_url)} - {""}
    if site not in ("same-origin", "none") or (origin and host_and_port(origin) not in ours):
        raise Refused("insufficient_scope", "This form came from another site.")
    if needed and not hmac.compare_digest(visit.value("csrf").encode(), visit.csrf.encode()):
        raise Refused("insufficient_scope", "This form is not of your session; load the page again.")


def host_and_port(url: str) -> str:
    """As browsers write them in an origin: in lower case, without the port that the scheme has anyway (RFC 6454 §6.2);
    '' for `null` and for what is no URL."""
    try:
        found = urlsplit(url)
        host, port = found.hostname or "", found.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if not host or port in (None, {"http": 80, "https": 443}.get(found.scheme)) else f"{host}:{port}"


async def _session(console: Console, request: Request[Any, Any, Any]) -> Session | None:
    """By the cookie; one that a proxy's word opened is good while the proxy names the same operator, and ends when it
    names another."""
    token = request.cookies.get(COOKIE, "")
    used = RENEWAL not in request.headers
    found = await console.signing_in.session(token, used=used) if "." in token else None
    if found and found.by == "proxy" and (named := proxied_name(console, request)) != found.operator.name:
        if named:
            await console.signing_in.sign_out(found)
        return None
    return found


def proxied_name(console: Console, request: Request[Any, Any, Any]) -> str:
    """Whom a trusted proxy has signed in; '' where there is none, or nobody is believed."""
    settings = console.service.settings
    header = settings.console.trusted_header
    if not header or not is_trusted_peer(request.scope, settings.http.trusted_proxies):
        return ""
    named = request.headers.getall(header.lower(), [])
    return named[0] if len(named) == 1 else ""


def _form(raw: bytes) -> dict[str, list[str]]:
    """Raises Refused."""
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise Refused("malformed_request", "Not a form in UTF-8.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def json_of(text: str) -> dict[str, Any]:
    """What a script of ours put into a field. Raises Refused."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise Refused("malformed_request", "The form has fields that the page does not send.") from None
