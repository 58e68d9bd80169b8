"""A mail server that delivers everything to the inbox page. No relay: nothing leaves this machine.

Ours: the local part decides the fate, as the last digits of a phone do: `nobody@…` does not exist, `full@…` is full for
now. Delivery status notifications are not offered.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from otp_service.sandbox.accounts import AccountKey
from otp_service.sandbox.messages import Message, Status
from otp_service.sandbox.sending import take
from otp_service.sandbox.state import Asked, Sandbox

LARGEST = 256 * 1024
ACCOUNT: AccountKey = ("smtp", "demo")
NOBODY, FULL = "nobody@", "full@"

log = structlog.get_logger()


async def listen(sandbox: Sandbox, host: str, port: int) -> asyncio.Server | None:
    """Take mail at this port; None where it is taken, which a sandbox without mail survives."""
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            _Handler(sandbox),
            hostname="sandbox",
            ident="sandbox",
            data_size_limit=LARGEST,
            authenticator=lambda *call: _signed_in(sandbox, call[4]),
            auth_require_tls=False,
            loop=loop,
        )

    try:
        server = await loop.create_server(connection, host, port)
    except OSError:
        log.warning("sandbox_takes_no_mail", port=port)
        return None
    log.info("sandbox_takes_mail", url=f"smtp://{host}:{port}")
    return server


def _signed_in(sandbox: Sandbox, given: object) -> AuthResult:
    """Who signs in has to be right; nobody has to sign in."""
    if not isinstance(given, LoginPassword):
        return AuthResult(success=False)
    account = sandbox.accounts[ACCOUNT]
    right = (given.login.decode(), given.password.decode()) == (account.login, account.password)
    return AuthResult(success=right)


class _Handler:
    """The hooks of aiosmtpd."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_RCPT(  # noqa: N802  its name there
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        to = address.lower()
        if to.startswith(NOBODY):
            return self._answer("550 5.1.1 No such mailbox")
        if to.startswith(FULL):
            return self._answer("452 4.2.2 Mailbox full")
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = message_from_bytes(content, policy=policy.default)
        sandbox = self._sandbox
        for to in envelope.rcpt_tos:
            message = Message(
                id=sandbox.new_id(),
                account=ACCOUNT,
                gateway="smtp",
                phone=to,
                sender=parseaddr(str(mail["From"]))[0] or str(envelope.mail_from),
                text=_body(mail, "plain"),
                parts=1,
                price=Decimal(0),
                taken_at=sandbox.clock.now(),
                fate=Status.DELIVERED,
                client_id=str(mail["Message-ID"] or "").strip().strip("<>").partition("@")[0],
                subject=str(mail["Subject"] or ""),
                html=_body(mail, "html"),
            )
            take(sandbox, message)
        return self._answer("250 2.0.0 OK")

    def _answer(self, said: str) -> str:
        self._sandbox.requests.append(Asked(self._sandbox.clock.now(), "smtp", outcome=said))
        return said


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""
