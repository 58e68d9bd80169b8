"""One mail over one connection, by aiosmtplib (RFC 5321): what each refusal means, and when a mail may have left.

Imported by gateways that are configured, and by nobody else: the library is of no use to most installations.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException

from otp_service.domain.mails import Mail
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.base import GatewayError, Then

_WIRE = SMTP.clone(cte_type="7bit")
"""Bytes that every server takes, whatever it offers."""
_OF_MAILBOX = (550, 551, 553)
"""Codes of RCPT that speak of the mailbox (RFC 5321 §4.2.3)."""
_NOT_OF_MAILBOX = ("5.7.", "5.4.", "5.3.", "4.")
"""Enhanced codes (RFC 3463) that say that a 550 is about us, or about a way, and not about the mailbox."""


class Server(Value):
    """tls: from the first byte on. plaintext: it may do without STARTTLS where it does not offer that.

    connect_seconds: until it has greeted. All that is said after that is bounded by whoever sends, as a whole.
    """

    host: str
    port: int
    tls: bool
    plaintext: bool
    login: Secret | None
    password: Secret | None
    context: Hidden[ssl.SSLContext]
    connect_seconds: float


def written(
    *, sender: str, to: str, text: str, mail: Mail, message_id: str, reply_to: str, now: datetime | None = None
) -> bytes:
    """The message as it is sent: a plain text and its HTML form. Headers cannot be broken out of (`EmailMessage`)."""
    message = EmailMessage(policy=_WIRE)
    message["Subject"] = mail.subject
    message["From"] = formataddr((mail.sender_name, sender))
    message["To"] = to
    message["Date"] = format_datetime(now or datetime.now(UTC))
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    if reply_to:
        message["Reply-To"] = reply_to
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office notes
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text)
    message.add_alternative(mail.html, subtype="html")
    return message.as_bytes()


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connection that is encrypted and signed in. Nothing has been sent whatever fails. Raises GatewayError.

    Only the connecting ends by itself: `async with asyncio.timeout(…)` around it bounds the rest.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls,
        start_tls=False,
        tls_context=server.context,
        timeout=None,
        local_hostname="localhost",
    )
    try:
        await _asked(_open(client, server), _of_opening)
        yield client
    finally:
        client.close()


async def address(client: aiosmtplib.SMTP, *, sender: str, to: str, envelope_id: str, reports: bool) -> None:
    """MAIL and RCPT: nothing has been sent whatever fails. Raises GatewayError.

    reports: ask for delivery status notifications (RFC 3461) where the server offers them.
    """
    wants = reports and client.supports_extension("dsn")
    await _asked(
        client.mail(sender, options=["RET=HDRS", f"ENVID={envelope_id}"] if wants else []),
        lambda error: _refused(error, Reason.SENDER),
    )
    await _asked(client.rcpt(to, options=["NOTIFY=SUCCESS,FAILURE"] if wants else []), _of_recipient)


async def hand_over(client: aiosmtplib.SMTP, content: bytes) -> None:
    """DATA: from here on it may be sent. Raises GatewayError."""
    broken = GatewayError(Reason.BROKEN_ANSWER, Then.UNCLEAR)
    await _asked(
        client.data(content), lambda error: broken if error.code < 0 else _refused(error, Reason.CONTENT), broken
    )


async def _open(client: aiosmtplib.SMTP, server: Server) -> None:
    await client.connect(timeout=server.connect_seconds)
    await client.ehlo()
    if not server.tls and client.supports_extension("starttls"):
        await client.starttls(tls_context=server.context, server_hostname=server.host)
        await client.ehlo()
    elif not server.tls and not server.plaintext:
        raise GatewayError(Reason.BAD_REQUEST, Then.NEXT, said="the server offers no STARTTLS")
    if server.login and server.password:
        await client.login(server.login.reveal(), server.password.reveal())


async def _asked(
    step: Awaitable[object],
    refused: Callable[[SMTPResponseException], GatewayError],
    lost: GatewayError | None = None,
) -> None:
    """Raises GatewayError, which drags nothing along of what the server said. lost: where there was no answer."""
    failure = None
    try:
        await step
    except GatewayError as error:
        failure = error
    except SMTPResponseException as error:
        failure = refused(error)
    except (SMTPException, OSError, ValueError) as error:
        failure = lost or GatewayError(Reason.UNREACHABLE, Then.NEXT, said=type(error).__name__)
    if failure:
        raise failure


def _of_opening(error: SMTPResponseException) -> GatewayError:
    if error.code in (454, 530, 534, 535, 538):
        return GatewayError(Reason.CREDENTIALS, Then.NEXT, said=_said(error))
    return _refused(error, Reason.UNKNOWN_ERROR)


def _of_recipient(error: SMTPResponseException) -> GatewayError:
    if error.code in _OF_MAILBOX and not error.message.split(" ", 1)[0].startswith(_NOT_OF_MAILBOX):
        return GatewayError(Reason.INVALID_NUMBER, Then.STOP, said=_said(error))
    return _refused(error, Reason.DIRECTION_CLOSED)


def _refused(error: SMTPResponseException, lasting: Reason) -> GatewayError:
    """lasting: what a refusal means that is for good."""
    if error.code < 0:
        return GatewayError(Reason.BROKEN_ANSWER, Then.NEXT)
    if error.code in (530, 535):
        return GatewayError(Reason.CREDENTIALS, Then.NEXT, said=_said(error))
    return GatewayError(Reason.THROTTLED if 400 <= error.code < 500 else lasting, Then.NEXT, said=_said(error))


def _said(error: SMTPResponseException) -> str:
    """Servers repeat the address in their refusals."""
    words = (word for word in error.message.split() if "@" not in word)
    return f"{error.code} {' '.join(words)}"
