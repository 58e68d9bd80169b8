"""Ready tables for providers, from their public documents. Each says that it has not been tried live."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from otp_service.errors import SettingsError

_FOLDER = files("otp_service.gateways.described") / "providers"


@cache
def names() -> list[str]:
    return sorted(each.name.removesuffix(".toml") for each in _FOLDER.iterdir() if each.name.endswith(".toml"))


@cache
def table(provider: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{provider}.toml").read_text("utf-8"))


def completed(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A table of kind `http` with that of its `provider` under it, key by key; any other table as it is.

    Raises `SettingsError` naming the key.
    """
    provider = data.get("provider")
    if data.get("kind") != "http" or not provider:
        return dict(data)
    if provider not in names():
        raise SettingsError(f"gateways.{name}.provider: must be one of {', '.join(names())}")
    whole = _over(table(provider), data)
    if "callback" not in data:  # whoever wants pushes gives a token
        whole.pop("callback", None)
    missing = [key for key in whole.pop("needs", []) if key not in whole.get("secrets", {})]
    if missing:
        raise SettingsError(f"gateways.{name}.secrets: {', '.join(missing)}: missing for the provider {provider}")
    return whole


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _over(merged[key], value) if both else value
    return merged
