"""Which account a command works on, and the clients that speak for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from otp_service.cli.accounts.command import Interface
from otp_service.domain import phone
from otp_service.errors import Refused, SettingsError
from otp_service.gateways import registry
from otp_service.gateways.config import GatewayConfig
from otp_service.gateways.smska.api import SmskaApi
from otp_service.gateways.smska.gateway import SmskaConfig
from otp_service.gateways.targetsms.get.operations import GetApi
from otp_service.gateways.targetsms.json.client import JsonApi
from otp_service.gateways.targetsms.password.gateway import PasswordConfig
from otp_service.gateways.targetsms.xml import callback
from otp_service.gateways.targetsms.xml.client import XmlApi
from otp_service.gateways.targetsms.xml.gateway import XmlConfig
from otp_service.settings import Settings, convert

SECONDS = 15.0
"""For one call: an operator waits longer than a login may."""

FIT: dict[Interface, tuple[str, ...]] = {
    "xml": ("targetsms-xml", "targetsms-password", "targetsms-json", "targetsms-get"),
    "get": ("targetsms-get", "targetsms-xml", "targetsms-password", "targetsms-json"),
    "json": ("targetsms-json", "targetsms-xml", "targetsms-password", "targetsms-get"),
    "smska": ("smska",),
}
"""Kinds whose account serves an interface, best first. TargetSMS is one platform: one login, one host for all three."""

ZONE = ZoneInfo("Europe/Moscow")
"""Of an account whose gateway has no `time_zone`: the default of the one that has."""


class Account:
    """One account of the settings; its clients are there inside of `async with`, those of its provider may be used.

    name: of the gateway. zone: of the account. callback: the address of this service that states may be pushed to, ""
    where the gateway has no `callback_token`; a secret. Raises `SettingsError` for settings that cannot work.
    """

    xml: XmlApi
    get: GetApi
    json: JsonApi
    smska: SmskaApi

    def __init__(self, settings: Settings, name: str) -> None:
        table = settings.gateways[name]
        self._config: Any = convert(registry.KINDS[table["kind"]][0], dict(table), f"gateways.{name}")
        self.name = name
        self.sender: str = self._config.sender
        self.viber_sender: str = getattr(self._config, "sender_viber", "") or self.sender
        self.zone = self._config.zone(name) if isinstance(self._config, XmlConfig) else ZONE
        self.callback = callback_url(settings, self._config)
        self._region = next((each.region for each in settings.applications.values()), "RU")

    async def __aenter__(self) -> Self:
        key = "state_base_url" if isinstance(self._config, PasswordConfig) else "base_url"
        http = self._config.client(self.name, key)
        of_smska = isinstance(self._config, SmskaConfig)
        names = ("api_key", "api_password") if of_smska else ("login", "password")
        login, password = (getattr(self._config, name) for name in names)
        self.xml, self.get = XmlApi(http, login, password), GetApi(http, login, password)
        self.json, self.smska = JsonApi(http, login, password), SmskaApi(http, login, password)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.xml.close()  # the connections are shared

    def e164(self, written: str) -> str:
        """Raises `SettingsError`."""
        try:
            return phone.normalise(written, self._region).e164
        except Refused:
            raise SettingsError(
                f"{written!r} is not a phone number. Write it with its country code, for example +79161234567"
            ) from None

    def aware(self, given: datetime | None) -> datetime | None:
        """A time without an offset is one of the account."""
        return given.replace(tzinfo=self.zone) if given and given.tzinfo is None else given


def choose(settings: Settings, interface: Interface, wanted: str) -> str:
    """The name of the gateway. wanted: a name, or "" for the first that fits best. Raises `SettingsError`."""
    kinds = {name: table.get("kind") for name, table in settings.gateways.items()}
    fitting = [name for kind in FIT[interface] for name in kinds if kinds[name] == kind]
    if wanted:
        if wanted not in fitting:
            there = f"there are: {', '.join(fitting)}" if fitting else "none is configured"
            raise SettingsError(f"--gateway: {wanted!r} is no gateway that this command can use; {there}")
        return wanted
    if not fitting:
        raise SettingsError(f"gateways: this command needs one of the kind {' or '.join(FIT[interface])}")
    return fitting[0]


def callback_url(settings: Settings, config: GatewayConfig) -> str:
    tokens = config.callback_token if isinstance(config, XmlConfig) else None
    return callback.prefix(settings.service.public_url) + tokens.reveal()[0] if tokens else ""
