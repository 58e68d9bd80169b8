"""The gateways over the XML documents: `targetsms-password` (P) and `targetsms-xml` (X)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.secret import Secrets
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Reason, Then
from otp_service.gateways.config import account_name
from otp_service.gateways.targetsms import (
    account,
    callback,
    examination,
    number_info,
    password,
    scheduled,
    sending,
    states,
    stop_list,
)
from otp_service.gateways.targetsms.api import XmlApi
from otp_service.gateways.targetsms.config import TargetSmsConfig
from otp_service.gateways.targetsms.number_info import NumberInfo


class PasswordConfig(TargetSmsConfig, frozen=True, kw_only=True):
    kind: Literal["targetsms-password"]
    state_base_url: str
    """Where the states of its messages are asked (X4), with the same login."""


class XmlConfig(TargetSmsConfig, frozen=True, kw_only=True):
    kind: Literal["targetsms-xml"]
    name_delivery: str = ""
    """Heading in the provider's reports; "" for its default."""
    callback_token: Secrets | None = None
    """Opens POST /callbacks/targetsms/{token}."""
    callback_networks: tuple[str, ...] = ()
    """Where states may be pushed from, as `203.0.113.0/24`; empty for anywhere."""
    register_callback: bool = False
    """Tell the gateway at start to push states to that address (X25)."""
    stop_list_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 0
    """How often the account's stop list (X14) is read; 0: not at all."""


class PasswordGateway:
    """The provider makes the code. An unclear attempt cannot be repeated: each request sends another SMS."""

    channel = "sms"
    makes_code = True
    repeatable = False
    ask_batch = states.BATCH
    ask_pause_seconds = 0.0

    def __init__(self, name: str, config: PasswordConfig) -> None:
        self.name = name
        self.account = account_name("targetsms", config.login)
        self.attempt_seconds = config.attempt_seconds
        self.balance_low = config.balance_low
        self.circuit_breaker = config.circuit_breaker
        self.zone = config.zone(name)
        self._config = config
        self._http = config.client(name)
        self.states = XmlApi(config.client(name, "state_base_url"), config.login, config.password)

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        config = self._config
        return await password.generate(
            self._http, config.login, config.password, message, sender=config.sender, seconds=seconds
        )

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await states.ask(self.states, provider_ids, seconds=self.attempt_seconds)

    async def balance(self, seconds: float) -> Decimal | None:
        return (await account.balance(self.states, seconds=seconds)).money

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """The account is asked about on the other host, so only about what concerns the account."""
        if reason in (Reason.CREDENTIALS, Reason.FUNDS):
            return await examination.has_money(self.balance(seconds))
        return False

    async def examine(self) -> list[Finding]:
        return [
            Finding("sending", True, "cannot be examined: this API has no question that sends no SMS"),
            await examination.balance(account.balance(self.states, seconds=self.attempt_seconds)),
        ]

    async def close(self) -> None:
        await self._http.close()
        await self.states.close()


class XmlGateway:
    """Sends our code. A repeat with the same client id is answered with the id of the first SMS."""

    channel = "sms"
    makes_code = False
    repeatable = True
    ask_batch = states.BATCH
    ask_pause_seconds = 0.0

    def __init__(self, name: str, config: XmlConfig) -> None:
        self.name = name
        self.account = account_name("targetsms", config.login)
        self.attempt_seconds = config.attempt_seconds
        self.balance_low = config.balance_low
        self.circuit_breaker = config.circuit_breaker
        self.zone = config.zone(name)
        self._config = config
        self.stop_list_seconds = config.stop_list_seconds
        if config.register_callback and config.callback_token is None:
            raise SettingsError(f"gateways.{name}.callback_token: is needed where register_callback is true")
        self.callback_tokens = config.callback_token.reveal() if config.callback_token else ()
        self.callback_networks = _networks(config.callback_networks, f"gateways.{name}.callback_networks")
        self.api = XmlApi(config.client(name), config.login, config.password)

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        return await sending.send(
            self.api,
            message,
            sender=self._config.sender,
            validity_period=sending.validity_period(message.expires_at, datetime.now(UTC), self.zone),
            name_delivery=self._config.name_delivery,
            seconds=seconds,
        )

    async def withdraw(self, provider_id: str) -> bool:
        return await scheduled.delete(self.api, provider_id, seconds=self.attempt_seconds)

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await states.ask(self.api, provider_ids, seconds=self.attempt_seconds)

    async def number_info(self, phone: str, seconds: float) -> NumberInfo | None:
        """X9, for one phone (E.164). None if the gateway says nothing of it. Raises `GatewayError`."""
        found = await number_info.look_up(self.api, [phone], seconds=seconds)
        return next((one for one in found if one.phone == phone), None)

    async def stop_list(self, seconds: float) -> list[str]:
        """X14: phones (E.164) that this account never writes to. Raises `GatewayError`."""
        return await stop_list.stop_list(self.api, seconds=seconds)

    async def register_callback(self, public_url: str) -> bool:
        """X25: have states pushed to us, if the settings ask for it. True if the address was changed.

        Raises `GatewayError`.
        """
        token = self._config.callback_token
        if not self._config.register_callback or token is None:
            return False
        url = f"{public_url.rstrip('/')}/callbacks/targetsms/{token.reveal()[0]}"
        if await callback.address(self.api, seconds=self.attempt_seconds) == url:
            return False
        await callback.set_address(self.api, url, seconds=self.attempt_seconds)
        return True

    async def balance(self, seconds: float) -> Decimal | None:
        return (await account.balance(self.api, seconds=seconds)).money

    async def probe(self, reason: Reason, seconds: float) -> bool:
        match reason:
            case Reason.FUNDS:
                return await examination.has_money(self.balance(seconds))
            case Reason.SENDER:
                senders = await account.senders(self.api, seconds=seconds)
                if not senders.may_use(self._config.sender):
                    raise GatewayError(Reason.SENDER, Then.NEXT)
            case Reason.ACCOUNT_BLOCKED | Reason.GATEWAY_EXHAUSTED:
                return False  # only a send is refused for these
            case _:
                await account.clock_error(self.api, datetime.now(self.zone).replace(tzinfo=None), seconds=seconds)
        return True

    async def examine(self) -> list[Finding]:
        return [
            await examination.balance(account.balance(self.api, seconds=self.attempt_seconds)),
            await examination.sender(self.api, self._config.sender, seconds=self.attempt_seconds),
            await examination.clock(self.api, self.zone, seconds=self.attempt_seconds),
        ]

    async def close(self) -> None:
        await self.api.close()


def _networks(written: Sequence[str], key: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(each) for each in written]
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None
