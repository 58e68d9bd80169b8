"""`targetsms-xml`: the gateway over the XML interface (X)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.inbound import Incoming
from otp_service.domain.phone import Number
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secrets
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, Finding, GatewayError, Outgoing, Push, Pushed, Then
from otp_service.gateways.config import account_name, networks
from otp_service.gateways.targetsms.cabinet import incoming
from otp_service.gateways.targetsms.config import TargetSmsConfig
from otp_service.gateways.targetsms.xml import (
    account,
    callback,
    examination,
    number_info,
    scheduled,
    sending,
    states,
    stop_list,
)
from otp_service.gateways.targetsms.xml.client import XmlApi

XML = "text/xml; charset=utf-8"


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
    incoming_seconds: Annotated[float, Meta(ge=0, le=600)] = 0.0
    """How often the account's incoming SMS (X8) are read, for the channel `inbound`; 0: not at all."""


class XmlGateway:
    """Sends our code. A repeat with the same client id is answered with the id of the first SMS."""

    channel = "sms"
    makes_code = False
    repeatable = True
    ask_batch = states.BATCH
    ask_pause_seconds = 0.0
    repeat_pause_seconds = 0.0

    def __init__(self, name: str, config: XmlConfig) -> None:
        self.name = name
        self.account = account_name("targetsms", config.login)
        self.traits = config.traits()
        self.zone = config.zone(name)
        self._config = config
        self.stop_list_seconds = config.stop_list_seconds
        self.incoming_seconds = config.incoming_seconds
        if config.register_callback and config.callback_token is None:
            raise SettingsError(f"gateways.{name}.callback_token: is needed where register_callback is true")
        self.callback_tokens = config.callback_token.reveal() if config.callback_token else ()
        self.callback_networks = networks(config.callback_networks, f"gateways.{name}.callback_networks")
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
        return await scheduled.delete(self.api, provider_id, seconds=self.traits.attempt_seconds)

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        return await states.ask(self.api, provider_ids, seconds=self.traits.attempt_seconds)

    async def number_info(self, phone: str, seconds: float) -> Number | None:
        """X9, for one phone (E.164). None if the gateway says nothing of it. Raises `GatewayError`."""
        found = await number_info.look_up(self.api, [phone], seconds=seconds)
        return next((Number(one.operator, one.region) for one in found if one.phone == phone), None)

    async def stop_list(self, seconds: float) -> list[str]:
        """X14: phones (E.164) that this account never writes to. Raises `GatewayError`."""
        return await stop_list.stop_list(self.api, seconds=seconds)

    async def incoming(self, since: datetime, seconds: float) -> list[Incoming]:
        """X8. Raises `GatewayError`."""
        found = await incoming.incoming(self.api, since, None, self.zone, seconds=seconds)
        return [Incoming(each.id, each.phone, each.text) for each in found]

    believes_pushes = False

    def read_push(self, push: Push) -> Pushed:
        """X5. What is no such document acknowledges nothing, so it comes again."""
        try:
            told = callback.read_push(push.body)
        except GatewayError:
            return Pushed([], callback.acknowledgement([]), XML, understood=False)
        return Pushed(told, callback.acknowledgement(each.provider_id for each in told), XML)

    async def examine_callback(self, public_url: str) -> Finding | None:
        if not self.callback_tokens:
            return None
        return await examination.callback_address(
            self.api, callback.prefix(public_url), seconds=self.traits.attempt_seconds
        )

    async def register_callback(self, public_url: str) -> bool:
        """X25: have states pushed to us, if the settings ask for it. True if the address was changed.

        Raises `GatewayError`.
        """
        token = self._config.callback_token
        if not self._config.register_callback or token is None:
            return False
        url = callback.prefix(public_url) + token.reveal()[0]
        if await callback.address(self.api, seconds=self.traits.attempt_seconds) == url:
            return False
        await callback.set_address(self.api, url, seconds=self.traits.attempt_seconds)
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
            await examination.balance(account.balance(self.api, seconds=self.traits.attempt_seconds)),
            await examination.sender(self.api, self._config.sender, seconds=self.traits.attempt_seconds),
            await examination.clock(self.api, self.zone, seconds=self.traits.attempt_seconds),
        ]

    async def close(self) -> None:
        await self.api.close()
