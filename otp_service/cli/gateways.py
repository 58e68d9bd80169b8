"""`otp-service gateways try NAME`: one real message, shown step by step. Secrets are in nothing that is printed."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from otp_service.cli.accounts.output import explanation
from otp_service.cli.development import load_for_operator
from otp_service.cli.printer import say
from otp_service.domain import mails, recipients
from otp_service.domain.messages import MessageStatus
from otp_service.domain.secret import forms
from otp_service.domain.texts import GATEWAY_CODE
from otp_service.errors import Refused, SettingsError
from otp_service.gateways import http, registry
from otp_service.gateways.base import Gateway, GatewayError, Outgoing, Then
from otp_service.settings import Settings, texts_of

LIFE = timedelta(minutes=5)
ASK_EVERY_SECONDS = 3.0
LONGEST_SHOWN = 4000
HIDDEN = "[hidden]"
WHOLLY_HIDDEN = ("authorization", "x-api-key", "cookie")


class DryRunError(Exception):
    """The request has been shown, and is not sent."""


class Shown:
    """An observer that prints. credentials: what is hidden, in whatever form it travels. dry: nothing is sent."""

    def __init__(self, credentials: Iterable[str], *, dry: bool) -> None:
        hidden = sorted({form for each in credentials for form in forms(each)}, key=len, reverse=True)
        self._hidden = re.compile("|".join(map(re.escape, hidden)) or "(?!)", re.IGNORECASE)
        self._dry = dry
        self._began = 0.0

    def request(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> None:
        say(f"\n→ {method} {self.clean(url)}")
        for name, value in headers.items():
            say(f"  {name}: {HIDDEN if name.lower() in WHOLLY_HIDDEN else self.clean(value)}")
        if content:
            say(f"  {self.clean(content.decode('utf-8', 'replace'))}")
        if self._dry:
            raise DryRunError
        self._began = time.monotonic()

    def reply(self, status: int, body: bytes) -> None:
        say(f"← HTTP {status}, {time.monotonic() - self._began:.2f} s, {len(body)} bytes")
        if body:
            say(f"  {self.clean(http.decode(body))[:LONGEST_SHOWN]}")

    def note(self, text: str) -> None:
        say(f"= {self.clean(text)}")

    def clean(self, text: str) -> str:
        hidden = self._hidden.sub(HIDDEN, text)
        return "".join(char if char.isprintable() or char == "\n" else " " for char in hidden)


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    table = settings.gateways.get(arguments.name)
    if table is None:
        known = ", ".join(settings.gateways) or "none"
        raise SettingsError(f"gateways: there is no {arguments.name!r}; there are: {known}")
    if not (arguments.dry_run or arguments.yes):
        if not sys.stdin.isatty():
            raise SettingsError("this sends a real message and asks first; without a terminal say --yes, or --dry-run")
        say(f"{arguments.name}: send one message? It costs money. [y/N] ", end="", error=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise SettingsError("nothing was sent")
    gateway = registry.build(arguments.name, table)
    own = table.get("secrets")
    credentials = {*settings.credentials, *(map(str, own.values()) if isinstance(own, Mapping) else ())}
    shown = Shown(credentials, dry=arguments.dry_run)
    http.observer.set(shown)
    try:
        accepted = await gateway.send(_message(settings, gateway, arguments), gateway.traits.attempt_seconds)
    except DryRunError:
        say("\nNothing was sent.")
        return 0
    except GatewayError as error:
        meaning = {Then.NEXT: "the next gateway would be tried", Then.STOP: "no gateway would be tried any more"}
        then = meaning.get(error.then, "unclear: it may have been sent; look at the phone")
        say(f"\n{gateway.name}: {error.reason}: {explanation(error)}; {then}.")
        return 1
    else:
        said = f"{accepted.status}, id {accepted.provider_id or 'not told'}, parts {accepted.parts or 'not told'}"
        say(f"\n{gateway.name}: {said}{'; it was sent before' if accepted.earlier else ''}.")
        return await _wait_for_end(gateway, accepted.provider_id, arguments.wait)
    finally:
        http.observer.set(None)
        await gateway.close()


async def _wait_for_end(gateway: Gateway, provider_id: str, seconds: int) -> int:
    """0 once the state is final, or nobody asked for it."""
    if not seconds or not provider_id:
        return 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(min(max(ASK_EVERY_SECONDS, gateway.ask_pause_seconds), seconds))
        try:
            found = await gateway.deliveries([provider_id])
        except GatewayError as error:
            say(f"{gateway.name}: {error.reason}: {explanation(error)}.")
            continue
        for told in found:
            say(f"{gateway.name}: {told.status}")
            if told.status.final:
                return 0 if told.status is MessageStatus.DELIVERED else 1
    say(f"{gateway.name}: no final state within {seconds} s.")
    return 1


def _message(settings: Settings, gateway: Gateway, arguments: argparse.Namespace) -> Outgoing:
    application = next(iter(settings.applications.values()))
    try:
        to = recipients.read(arguments.to, gateway.channel, application.region).text
    except Refused:
        example = "anna@example.com" if gateway.channel == recipients.EMAIL else "a phone number, +79161234567"
        raise SettingsError(f"--to: {arguments.to!r} is not what {gateway.name} sends to, such as {example}") from None
    code = "".join(secrets.choice("0123456789") for _ in range(application.code_length))
    written = GATEWAY_CODE if gateway.makes_code else code
    said, mail = texts_of(application), None
    text = arguments.text or said.render(application.locale, written, LIFE.total_seconds(), "")
    if gateway.channel == recipients.EMAIL:
        mail, page = said.mail(application.locale, code, LIFE.total_seconds())
        mail, text = (mails.of_text(arguments.text, said.brand), text) if arguments.text else (mail, page)
    return Outgoing(
        phone=to,
        text=text,
        client_id=str(int(time.time() * 1000)),
        expires_at=datetime.now(UTC) + LIFE,
        code_length=application.code_length if gateway.makes_code else 0,
        code="" if gateway.makes_code else code,
        locale=application.locale,
        mail=mail,
    )
