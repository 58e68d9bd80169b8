"""Which kinds of gateway there are: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from otp_service.domain.value import Value
from otp_service.errors import SettingsError
from otp_service.gateways.address import is_plaintext
from otp_service.gateways.base import Gateway
from otp_service.gateways.config import GatewayConfig
from otp_service.gateways.described.config import HttpConfig
from otp_service.gateways.described.gateway import HttpGateway
from otp_service.gateways.described.providers import completed
from otp_service.gateways.smska.gateway import SmskaConfig, SmskaGateway
from otp_service.gateways.smtp.gateway import SmtpConfig, SmtpGateway
from otp_service.gateways.targetsms.get.gateway import GetConfig, GetGateway
from otp_service.gateways.targetsms.json.gateway import JsonConfig, JsonGateway
from otp_service.gateways.targetsms.password.gateway import PasswordConfig, PasswordGateway
from otp_service.gateways.targetsms.xml.gateway import XmlConfig, XmlGateway
from otp_service.gateways.telegram.gateway import TelegramConfig, TelegramGateway
from otp_service.settings import convert

log = structlog.get_logger()

PLUG_INS = "otp_service.gateways"


class Kind(Value):
    """What a plug-in offers. config: its settings. build: makes the gateway from its name and its settings; may raise
    `SettingsError`."""

    config: type[GatewayConfig]
    build: Callable[[str, Any], Gateway]


KINDS: dict[str, tuple[type[GatewayConfig], Callable[[str, Any], Gateway]]] = {
    "targetsms-password": (PasswordConfig, PasswordGateway),
    "targetsms-xml": (XmlConfig, XmlGateway),
    "targetsms-get": (GetConfig, GetGateway),
    "targetsms-json": (JsonConfig, JsonGateway),
    "smska": (SmskaConfig, SmskaGateway),
    "http": (HttpConfig, HttpGateway),
    "telegram": (TelegramConfig, TelegramGateway),
    "smtp": (SmtpConfig, SmtpGateway),
}

OF_ANY = "targetsms"
"""In the address of a callback: whichever gateway has the token, as when there was one provider that pushed."""

CAUTIONS = {
    "targetsms-get": "login, password, phone and code travel in the URL, where servers and proxies on the way log them",
}
"""What is risky about a kind whatever its settings."""


def build(name: str, data: Mapping[str, Any]) -> Gateway:
    """The gateway that the table `[gateways.<name>]` describes. Raises `SettingsError` naming the key."""
    kind = data.get("kind")
    plugged = plug_ins()
    if not isinstance(kind, str) or (kind not in KINDS and kind not in plugged):
        raise SettingsError(f"gateways.{name}.kind: must be one of {', '.join([*KINDS, *plugged])}")
    config, gateway = KINDS[kind] if kind in KINDS else _loaded(plugged[kind], f"gateways.{name}.kind")
    return gateway(name, convert(config, completed(name, data), f"gateways.{name}"))


def build_all(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Gateway]:
    """Every gateway of the settings; what can be read on the way is logged. Raises `SettingsError` naming the key."""
    gateways = {name: build(name, table) for name, table in tables.items()}
    for name, table in tables.items():
        for warning in warnings(name, table):
            log.warning("plaintext_gateway", text=warning)
    return gateways


@cache
def plug_ins() -> Mapping[str, EntryPoint]:
    """Kinds that other packages add, by the entry point group `PLUG_INS`; one that comes with the service wins."""
    return {each.name: each for each in entry_points(group=PLUG_INS) if each.name not in KINDS}


def _loaded(plugged: EntryPoint, where: str) -> tuple[type[GatewayConfig], Callable[[str, Any], Gateway]]:
    """Raises `SettingsError` for a plug-in that cannot be used, whatever its code raises."""
    try:
        found = plugged.load()
    except Exception as error:
        raise SettingsError(f"{where}: the plug-in {plugged.value} cannot be loaded: {error!r}") from error
    if not isinstance(found, Kind) or not issubclass(found.config, GatewayConfig):
        raise SettingsError(f"{where}: the plug-in {plugged.value} is no otp_service.gateways.registry.Kind")
    return found.config, found.build


def warnings(name: str, data: Mapping[str, Any]) -> list[str]:
    """Sentences for the log at start about a table that `build` accepts: what can be read on the way."""
    plaintext = [
        f"gateways.{name}.{key}: plain http, so login, password and codes can be read on the way"
        for key, value in data.items()
        if key.endswith("base_url") and is_plaintext(value)
    ]
    caution = CAUTIONS.get(data["kind"])
    return [*plaintext, *([f"gateways.{name}.kind: {caution}"] if caution else [])]
