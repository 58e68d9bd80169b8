"""`/console/enrol/…`: who holds the link sets a password and a second factor, once."""

from __future__ import annotations

import asyncio
import hashlib

from otp_service.console import passkeys
from otp_service.console.visit import Answer, Visit, change, json_of, page
from otp_service.domain import backup_codes
from otp_service.domain.qr import qr_code
from otp_service.domain.totp import to_base32
from otp_service.errors import Refused
from otp_service.storage.operators import Account


@page("/console/enrol/{token:str}", None)
async def enrol(visit: Visit) -> Answer:
    return await _form(visit, await _invited(visit))


@change("/console/enrol/{token:str}", None)
async def enrolled(visit: Visit) -> Answer:
    account, token = await _invited(visit), visit.path("token")
    chosen, again = ((visit.form.get(name) or [""])[0] for name in ("password", "again"))
    if chosen != again:
        return await _form(visit, account, "passwords_differ")
    passkey = None
    if said := visit.value("passkey"):
        passkey = passkeys.made(visit, _challenge(token), json_of(said))
        if passkey is None:
            return await _form(visit, account, "wrong_passkey")
    try:
        codes = await visit.console.signing_in.enrol(account, token, chosen, code=visit.value("code"), passkey=passkey)
    except Refused as refusal:
        if word := refusal.extra.get("word"):
            return await _form(visit, account, str(word))
        raise
    visit.keep("")
    return visit.page("enrolled.html", codes=[backup_codes.grouped(code) for code in codes])


async def _invited(visit: Visit) -> Account:
    account = await visit.console.signing_in.of_link(visit.path("token"))
    if account is None:
        raise Refused("not_found", visit.say("link_over"))
    return account


async def _form(visit: Visit, account: Account, wrong: str = "") -> Answer:
    token = visit.path("token")
    totp = await visit.console.signing_in.authenticator(account, token)
    image = await asyncio.to_thread(qr_code, totp.generator.uri(totp.label, totp.issuer))
    secret = to_base32(totp.generator.secret)
    return visit.page(
        "enrol.html",
        422 if wrong else 200,
        account=account.operator,
        qr=image.svg,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        wrong=wrong,
        passkey=passkeys.offer(visit, account, _challenge(token)),
    )


def _challenge(token: str) -> str:
    """For a passkey that is made by this link; the link works once, so does this."""
    return hashlib.sha256(f"passkey {token}".encode()).hexdigest()


PAGES = (enrol, enrolled)
