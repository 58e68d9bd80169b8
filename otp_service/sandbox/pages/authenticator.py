"""`/demo/authenticator`: the app on the person's phone. Like a real one it knows only what the QR code said."""

from __future__ import annotations

import base64
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from litestar import Response, get
from litestar.di import NamedDependency

from otp_service.sandbox.pages.demo_answers import AnyRequest, visit_of
from otp_service.sandbox.pages.demo_sessions import DemoSessions, Visit
from otp_service.sandbox.pages.html import fill, fragment
from otp_service.sandbox.pages.language import Words

PERIOD_SECONDS = 30


@get("/demo/authenticator", sync_to_thread=False)
def authenticator_fragment(
    request: AnyRequest, sessions: NamedDependency[DemoSessions], words: NamedDependency[Words]
) -> Response[str]:
    return fragment(authenticator(visit_of(request, sessions), words))


def authenticator(visit: Visit, words: Words) -> str:
    """Its screen: the code of now and how long it stays; nothing once the phone is lost."""
    if visit.factor is None:
        return ""
    if visit.lost:
        return fill("app_lost", words)
    now = time.time()
    secret = base64.b32decode(visit.factor.secret or "")
    code = TOTP(secret, 6, SHA1(), PERIOD_SECONDS).generate(int(now)).decode()  # noqa: S303  as RFC 6238 has it
    left = PERIOD_SECONDS - int(now) % PERIOD_SECONDS
    return fill("app", words, account=visit.factor.label or "", code=code, left=str(left))
