"""`telegram`: the gateway over the Telegram Gateway API. Telegram writes the text; the code is ours."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret, Secrets
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Push, Pushed, Then
from otp_service.gateways.config import GatewayConfig, account_name, networks
from otp_service.gateways.polling import one_by_one
from otp_service.gateways.telegram import client
from otp_service.gateways.wire import is_fresh, required_token

LEAST_TTL, LONGEST_TTL = 30, 3600
NOT_UNDERSTOOD = Pushed([], status=400, understood=False)


class TelegramConfig(GatewayConfig, frozen=True, kw_only=True):
    kind: Literal["telegram"]
    base_url: str = "https://gatewayapi.telegram.org"
    token: Secret
    sender: Annotated[str, Meta(max_length=64)] = ""
    """Username of a verified channel of the account; "" for Telegram's own."""
    check_ability: bool = False
    """Ask first whether the phone can be reached; the send is then free of a second charge."""
    roubles_per_dollar: str | int = ""
    """Turns the cost that is told, in dollars, into roubles; "" to tell none."""
    callback_token: Secrets | None = None
    """Opens POST /callbacks/NAME/{token}."""
    callback_base_url: str = ""
    """Address of this service as Telegram sees it: then each message asks for pushes."""
    callback_networks: tuple[str, ...] = ()


class TelegramGateway:
    """A repeat is a new request, and charged: an unclear attempt is not repeated."""

    channel = "telegram"
    makes_code = False
    repeatable = False
    zone = None
    ask_batch = 20
    """One request each."""
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0
    believes_pushes = False

    def __init__(self, name: str, config: TelegramConfig) -> None:
        where = f"gateways.{name}"
        self.name = name
        self.account = account_name("telegram", config.token)
        self.traits = config.traits()
        self._config = config
        self.api = client.TelegramApi(config.client(name), config.token)
        self.callback_tokens = config.callback_token.reveal() if config.callback_token else ()
        self.callback_networks = networks(config.callback_networks, f"{where}.callback_networks")
        try:
            self._rate = Decimal(config.roubles_per_dollar) if config.roubles_per_dollar else None
        except InvalidOperation:
            raise SettingsError(f'{where}.roubles_per_dollar: must be a number such as "95.50"') from None
        if self._rate is not None and not (self._rate.is_finite() and self._rate > 0):
            raise SettingsError(f"{where}.roubles_per_dollar: must be above 0")
        if config.callback_base_url and not config.callback_token:
            raise SettingsError(f"{where}.callback_token: is needed where callback_base_url is set")
        base = config.callback_base_url.rstrip("/")
        self._callback_url = f"{base}/callbacks/{name}/{self.callback_tokens[0]}" if base else ""
        if len(self._callback_url.encode()) > 256:
            raise SettingsError(f"{where}.callback_base_url: with the token the address may have 256 bytes")
        # Of the API: the key of a push's signature is the SHA-256 of the token.
        self._push_key = hashlib.sha256(config.token.reveal().encode()).digest()

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        """BAD_REQUEST/next for a code that is not of 4 to 8 digits, which is what Telegram takes."""
        life = int((message.expires_at - datetime.now(UTC)).total_seconds())
        if not re.fullmatch("[0-9]{4,8}", message.code) or life < LEAST_TTL:
            raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
        deadline = time.monotonic() + seconds
        request_id = await self._ability(message.phone, seconds) if self._config.check_ability else ""
        wanted = {
            "phone_number": message.phone,
            "request_id": request_id,
            "sender_username": self._config.sender,
            "code": message.code,
            "ttl": min(life, LONGEST_TTL),
            "callback_url": self._callback_url,
        }
        given = {name: value for name, value in wanted.items() if value}
        left = max(0.1, deadline - time.monotonic())
        result = client.request_status(await self.api.call("sendVerificationMessage", given, seconds=left))
        return Accepted(result.id, parts=1)

    async def withdraw(self, provider_id: str) -> bool:
        """`revokeVerificationMessage`: asked to take it back, which is no promise. Raises `GatewayError`."""
        wanted = {"request_id": provider_id}
        return await self.api.call("revokeVerificationMessage", wanted, seconds=self.traits.attempt_seconds) is True

    revokes = True
    """A message that nobody needs any more is taken back."""

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await one_by_one(provider_ids, self._state)

    async def balance(self, seconds: float) -> Decimal | None:
        return None

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """Ask for the state of a request that does not exist: the answer shows whether the token is valid."""
        if reason in (Reason.FUNDS, Reason.SENDER, Reason.ACCOUNT_BLOCKED, Reason.GATEWAY_EXHAUSTED):
            return False
        await client.status(self.api, "0", seconds=seconds)
        return True

    async def examine(self) -> list[Finding]:
        try:
            await client.status(self.api, "0", seconds=self.traits.attempt_seconds)
        except GatewayError as error:
            return [Finding("access", False, f"not given: {error}")]
        return [Finding("access", True, "the token is accepted; this API tells no balance without a send")]

    def read_push(self, push: Push) -> Pushed:
        """A `RequestStatus`, signed with the token and fresh."""
        sent_at = push.headers.get("x-request-timestamp", "")
        given = push.headers.get("x-request-signature", "")
        wanted = hmac.new(
            self._push_key, sent_at.encode("utf-8", "replace") + b"\n" + push.body, hashlib.sha256
        ).hexdigest()
        if not hmac.compare_digest(wanted.encode(), given.lower().encode("utf-8", "replace")) or not is_fresh(sent_at):
            return NOT_UNDERSTOOD
        try:
            told = client.request_status(client.parsed(push.body))
        except GatewayError:
            return NOT_UNDERSTOOD
        return Pushed([Delivery(told.id, told.status)])

    async def examine_callback(self, public_url: str) -> Finding | None:
        return None

    async def register_callback(self, public_url: str) -> bool:
        return False

    async def close(self) -> None:
        await self.api.close()

    async def _ability(self, phone: str, seconds: float) -> str:
        """An id with which the send is not charged again. Nothing has been sent if this fails, however it does."""
        failure = None
        try:
            result = await self.api.call("checkSendAbility", {"phone_number": phone}, seconds=seconds / 2)
            return required_token(client.request_status(result).id)
        except GatewayError as error:
            failure = error
        raise GatewayError(failure.reason, Then.NEXT, failure.text, failure.words)

    async def _state(self, provider_id: str) -> Delivery | None:
        told = await client.status(self.api, provider_id, seconds=self.traits.attempt_seconds)
        if told is None or told.id != provider_id:
            return None
        price = None
        if self._rate is not None and told.cost is not None and told.status.final:
            price = Decimal(0) if told.refunded else round(told.cost * self._rate, 4)
        return Delivery(
            provider_id, told.status, parts=1, price=price, provider_code="refunded" if told.refunded else ""
        )
