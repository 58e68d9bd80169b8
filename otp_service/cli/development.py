"""Settings of `otp-service run`: everything on this machine, the sandbox as gateways, secrets made once in ./data."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otp_service import settings
from otp_service.errors import SettingsError
from otp_service.settings import Settings

DATA = Path("data")
SANDBOX_ACCOUNT = {"login": "demo", "password": "demo-password", "sender": "DEMO"}


def sandbox_port(environ: Mapping[str, str]) -> int:
    return port(environ, "OTP_SANDBOX_PORT", 8001)


def port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise SettingsError(f"{name}: must be a port number, not {text!r}")
    return int(text)


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of `run`; a file or the environment may change any of them. Raises SettingsError."""
    environ = {"OTP_BOOTSTRAP_API_KEY": kept_secret("api-key"), **environ}
    found = settings.load(environ, defaults(environ))
    if found.service.environment != "development":
        raise SettingsError("service.environment: `run` is for development; use `otp-service serve` in production")
    return found


def load_for_operator(environ: Mapping[str, str]) -> Settings:
    """For `keys`, `doctor` and the like: the service's settings, or those of `run` where only that was used here."""
    configured = "OTP_CONFIG" in environ or Path("otp-service.toml").exists() or "OTP__SERVICE__SECRET" in environ
    if not configured and (DATA / "root-secret").exists():
        return load(environ)
    return settings.load(environ)


def defaults(environ: Mapping[str, str]) -> dict[str, Any]:
    sandbox = f"http://127.0.0.1:{sandbox_port(environ)}"
    account = {"base_url": sandbox, **SANDBOX_ACCOUNT}
    return {
        "service": {
            "environment": "development",
            "public_url": f"http://127.0.0.1:{port(environ, 'OTP_PORT', 8000)}",
            "secret": kept_secret("root-secret"),
            "stop_delay_seconds": 0,
        },
        "redis": {"url": f"embedded:{DATA / 'redis'}"},
        "gateways": {
            "targetsms-password": {"kind": "targetsms-password", **account, "state_base_url": sandbox},
            "targetsms-xml": {"kind": "targetsms-xml", **account},
            "smska": {
                "kind": "smska",
                "base_url": sandbox,
                "api_key": SANDBOX_ACCOUNT["login"],
                "api_password": SANDBOX_ACCOUNT["password"],
                "sender": SANDBOX_ACCOUNT["sender"],
            },
        },
        "routes": {"sms": {"gateways": ["targetsms-password", "targetsms-xml", "smska"]}},
        "applications": {"web": {"brand": "Demo"}},
    }


def kept_secret(name: str) -> str:
    """Made at the first `run` and kept, so that a restart finds its data and keys again."""
    DATA.mkdir(mode=0o700, exist_ok=True)
    path = DATA / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()
