"""`/console/sign-in`: a password, then the code of an authenticator, a backup code or a passkey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otp_service.console import passkeys
from otp_service.console.visit import Answer, Visit, change, json_of, page, proxied_name
from otp_service.domain.operators import Role
from otp_service.errors import Refused


@page("/console/sign-in", None)
async def sign_in(visit: Visit) -> Answer:
    if visit.session and visit.session.stage == "full":
        return visit.go("/console")
    if name := proxied_name(visit.console, visit.request):
        return await _proxied(visit, name)
    if visit.session and not visit.query("anew"):
        return _second(visit)
    return visit.page("sign_in.html", name="", wrong="")


@change("/console/sign-in", None)
async def signed_in(visit: Visit) -> Answer:
    if visit.session and visit.session.stage == "password" and "name" not in visit.form:
        return await _judged(visit)
    name, signing_in = visit.value("name").lower(), visit.console.signing_in
    token = await signing_in.by_password(name, (visit.form.get("password") or [""])[0])
    if token is None:
        return visit.page("sign_in.html", 401, name=name[:64], wrong="wrong_password")
    visit.keep(token)
    return visit.go("/console/sign-in")


@change("/console/sign-out", Role.VIEWER)
async def sign_out(visit: Visit) -> Answer:
    await visit.console.signing_in.sign_out(visit.signed_in)
    visit.keep("")
    return visit.go("/console/sign-in")


async def _judged(visit: Visit) -> Answer:
    if said := visit.value("passkey"):
        return await _by_passkey(visit, json_of(said))
    token = await visit.console.signing_in.by_code(visit.signed_in, visit.value("code"))
    if token is None:
        return _second(visit, "wrong_code")
    visit.keep(token)
    return visit.go("/console")


async def _by_passkey(visit: Visit, said: Mapping[str, Any]) -> Answer:
    """A question is answered once, rightly or wrongly; after a wrong answer one begins with the password."""
    session, signing_in = visit.signed_in, visit.console.signing_in
    if not await signing_in.take_question(session):
        return visit.go("/console/sign-in")
    if await passkeys.proved(visit, session, said):
        visit.keep(await signing_in.complete(session.account, "passkey") or "")
        return visit.go("/console")
    await signing_in.refuse(session.account)
    visit.keep("")
    return visit.page("sign_in.html", 401, name=session.operator.name, wrong="wrong_passkey")


def _second(visit: Visit, wrong: str = "") -> Answer:
    offered = passkeys.question(visit, visit.signed_in)
    return visit.page("second_factor.html", 401 if wrong else 200, wrong=wrong, passkey=offered)


async def _proxied(visit: Visit, name: str) -> Answer:
    """The proxy has looked at password and second factor; which role it is, the account says."""
    account = await visit.service.stores.operators.find(name)
    if account is None:
        await visit.console.signing_in.refuse(None, name)
        raise Refused("insufficient_scope", "The proxy names somebody who is no operator here.")
    token = await visit.console.signing_in.complete(account, "proxy")
    visit.keep(token or "")
    return visit.go("/console")


PAGES = (sign_in, signed_in, sign_out)
