"""Which kinds of gateway there are: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otp_service.errors import SettingsError
from otp_service.gateways.address import is_plaintext
from otp_service.gateways.base import Gateway
from otp_service.gateways.config import GatewayConfig
from otp_service.gateways.smska.gateway import SmskaConfig, SmskaGateway
from otp_service.gateways.targetsms.gateways import PasswordConfig, PasswordGateway, XmlConfig, XmlGateway
from otp_service.gateways.targetsms.get_gateway import GetConfig, GetGateway
from otp_service.gateways.targetsms.json_gateway import JsonConfig, JsonGateway
from otp_service.settings import convert

KINDS: dict[str, tuple[type[GatewayConfig], Callable[[str, Any], Gateway]]] = {
    "targetsms-password": (PasswordConfig, PasswordGateway),
    "targetsms-xml": (XmlConfig, XmlGateway),
    "targetsms-get": (GetConfig, GetGateway),
    "targetsms-json": (JsonConfig, JsonGateway),
    "smska": (SmskaConfig, SmskaGateway),
}

CAUTIONS = {
    "targetsms-get": "login, password, phone and code travel in the URL, where servers and proxies on the way log them",
}
"""What is risky about a kind whatever its settings."""


def build(name: str, data: Mapping[str, Any]) -> Gateway:
    """The gateway that the table `[gateways.<name>]` describes. Raises `SettingsError` naming the key."""
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SettingsError(f"gateways.{name}.kind: must be one of {', '.join(KINDS)}")
    config, gateway = KINDS[kind]
    return gateway(name, convert(config, dict(data), f"gateways.{name}"))


def warnings(name: str, data: Mapping[str, Any]) -> list[str]:
    """Sentences for the log at start about a table that `build` accepts: what can be read on the way."""
    plaintext = [
        f"gateways.{name}.{key}: plain http, so login, password and codes can be read on the way"
        for key, value in data.items()
        if key.endswith("base_url") and is_plaintext(value)
    ]
    caution = CAUTIONS.get(data["kind"])
    return [*plaintext, *([f"gateways.{name}.kind: {caution}"] if caution else [])]
