"""`smtp`: mail to addresses, and what delivery status notifications say of it."""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.recipients import EMAIL
from otp_service.domain.secret import Secret, Secrets
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Push, Pushed, Then
from otp_service.gateways.config import GatewayConfig, hidden_in_errors, networks
from otp_service.gateways.http import observer
from otp_service.settings import LOOPBACK
from otp_service.settings.section import END

if TYPE_CHECKING:
    from otp_service.gateways.smtp.client import Server

Address = Annotated[str, Meta(max_length=254, pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}" + END)]
PORTS = {"smtp": 587, "smtps": 465}
_ENVELOPE = re.compile(
    rb"^(?:Original-Envelope-Id:[ \t]{0,9}|Message-ID:[ \t]{0,9}<)([0-9a-f]{32})(?:@|[ \t]{0,9}\r?$)", re.M | re.I
)
_ACTION = re.compile(rb"^Action:[ \t]{0,9}([A-Za-z]{1,16})[ \t]{0,9}\r?$", re.M | re.I)
_ACTIONS = {b"delivered": MessageStatus.DELIVERED, b"failed": MessageStatus.UNDELIVERED}
"""RFC 3464 §2.3.3. What is delayed, relayed or expanded may still arrive, and is told no end of."""


class SmtpConfig(GatewayConfig, frozen=True, kw_only=True):
    """sender: the address that mails are from; its name is the application's brand."""

    kind: Literal["smtp"]
    base_url: Annotated[str, Meta(max_length=300)]
    """smtp://host:587 (STARTTLS) or smtps://host:465."""
    sender: Address
    login: Secret | None = None
    password: Secret | None = None
    ca_file: str = ""
    """PEM of who signed the server's certificate; "" for those that the system trusts."""
    bounce_address: Address | Literal[""] = ""
    """Where mail servers tell what became of a mail; "" for `sender`."""
    reply_to: Address | Literal[""] = ""
    delivery_reports: bool = True
    """Ask for notifications where the server offers them."""
    callback_token: Secrets | None = None
    """Opens POST /callbacks/NAME/{token}, which takes notifications as they arrive at `bounce_address`."""
    callback_networks: tuple[str, ...] = ()


class SmtpGateway:
    """Each mail is a connection of its own. A repeat would be a second mail: an unclear attempt is not repeated."""

    channel = EMAIL
    makes_code = False
    repeatable = False
    zone = None
    ask_batch = 100
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0
    believes_pushes = True
    """There is nobody to ask; a notification names an id of 128 random bits that only the mail carries."""

    def __init__(self, name: str, config: SmtpConfig) -> None:
        from otp_service.gateways.smtp import client

        where = f"gateways.{name}"
        self.name = name
        self.traits = config.traits()
        self._config = config
        self._client = client
        self._server = _server(config, where)
        self.account = f"smtp:{self._server.host}:{self._server.port}"
        self._turns = asyncio.Semaphore(config.max_parallel)
        self.callback_tokens = config.callback_token.reveal() if config.callback_token else ()
        self.callback_networks = networks(config.callback_networks, f"{where}.callback_networks")

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        """BAD_REQUEST/next for what is no mail, as an SMS of a route that was changed meanwhile."""
        config = self._config
        if message.mail is None or "@" not in message.phone:
            raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
        envelope_id = secrets.token_hex(16)
        try:
            content = self._client.written(
                sender=config.sender, to=message.phone, text=message.text, mail=message.mail, message_id=envelope_id,
                reply_to=config.reply_to,
            )  # fmt: skip
        except ValueError:  # a line break in a header, half of a character
            raise GatewayError(Reason.BAD_REQUEST, Then.NEXT) from None
        if watching := observer.get():
            watching.request("SMTP", f"{config.base_url} ({config.sender})", {}, content)
        handed_over = False
        own = (message.phone, message.phone.partition("@")[0])  # servers repeat whom they do not know
        with hidden_in_errors(*self._credentials(), *map(Secret, own)):
            try:
                async with asyncio.timeout(seconds), self._turns, self._client.opened(self._server) as connection:
                    await self._client.address(
                        connection,
                        sender=config.bounce_address or config.sender,
                        to=message.phone,
                        envelope_id=envelope_id,
                        reports=config.delivery_reports,
                    )
                    handed_over = True
                    await self._client.hand_over(connection, content)
                return Accepted(envelope_id, parts=1)
            except TimeoutError:
                pass
        raise GatewayError(Reason.TIMEOUT, Then.UNCLEAR if handed_over else Then.NEXT)

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        """Nobody can be asked; what notifications say counts by itself."""
        return []

    async def balance(self, seconds: float) -> Decimal | None:
        return None

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """By signing in."""
        if reason in (Reason.SENDER, Reason.CONTENT, Reason.DIRECTION_CLOSED):
            return False
        with hidden_in_errors(*self._credentials()):
            try:
                async with asyncio.timeout(seconds), self._client.opened(self._server):
                    return True
            except TimeoutError:
                pass
        raise GatewayError(Reason.TIMEOUT, Then.NEXT)

    async def examine(self) -> list[Finding]:
        try:
            async with asyncio.timeout(self.traits.attempt_seconds), self._client.opened(self._server) as connection:
                reports = "offers" if connection.supports_extension("dsn") else "does not offer"
        except TimeoutError:
            return [Finding("access", False, "not given: no answer in time", Reason.TIMEOUT)]
        except GatewayError as error:
            return [Finding.not_told("access", error)]
        return [Finding("access", True, f"the server takes us, and {reports} delivery status notifications")]

    def read_push(self, push: Push) -> Pushed:
        """A notification (RFC 3464) as it arrived at the bounce address, whole."""
        found, action = _ENVELOPE.search(push.body), _ACTION.search(push.body)
        if not found or not action:
            return Pushed([], status=400, understood=False)
        status = _ACTIONS.get(action[1].lower())
        return Pushed([Delivery(found[1].decode().lower(), status)] if status else [])

    async def examine_callback(self, public_url: str) -> Finding | None:
        return None

    async def register_callback(self, public_url: str) -> bool:
        return False

    async def close(self) -> None:
        """Connections end with their mail."""

    def _credentials(self) -> Sequence[Secret]:
        return [each for each in (self._config.login, self._config.password) if each]


def _server(config: SmtpConfig, where: str) -> Server:
    """Raises SettingsError naming the key."""
    from otp_service.gateways.smtp.client import Server

    url = config.base_url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and parts.hostname and parts.port != 0 and parts.path in ("", "/")
    except ValueError:  # a port that is no number, brackets that do not match
        usable = None
    if not usable or any(sign in url for sign in "@?#") or not url.isascii() or not url.isprintable():
        raise SettingsError(f"{where}.base_url: must look like smtp://host:587 or smtps://host:465")
    if bool(config.login) != bool(config.password):
        raise SettingsError(f"{where}.{'password' if config.login else 'login'}: login and password go together")
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{where}.ca_file: cannot be read: {type(error).__name__}") from None
    return Server(
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        plaintext=config.allow_plaintext or parts.hostname in LOOPBACK,
        login=config.login,
        password=config.password,
        context=context,
        connect_seconds=config.connect_seconds,
    )
