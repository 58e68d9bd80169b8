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
HOOKS = ("kratos", "authentik", "keycloak", "logto", "zitadel", "supertokens", "privacyidea", "linotp")
"""Open in `run`: those that need no secret of another system."""
SANDBOX_NUMBER = "+79001112233"
STEPS = ({"channel": "telegram", "wait_seconds": 20}, {"channel": "sms", "wait_seconds": 30}, {"channel": "inbound"})
SANDBOX_TELEGRAM_TOKEN = "demo-token-of-telegram"
SANDBOX_ACCOUNT = {"login": "demo", "password": "demo-password", "sender": "DEMO"}


def sandbox_port(environ: Mapping[str, str]) -> int:
    return port(environ, "OTP_SANDBOX_PORT", 8001)


def mail_port(environ: Mapping[str, str]) -> int:
    """Where the sandbox takes mail; 8025 beside its usual port."""
    beside = sandbox_port(environ)
    return port(environ, "OTP_SANDBOX_MAIL_PORT", beside + 24 if beside + 24 < 65_536 else beside - 24)


def port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise SettingsError(f"{name}: must be a port number, not {text!r}")
    return int(text)


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of `run`; a file or the environment may change any of them. Raises SettingsError."""
    environ = {"OTP_BOOTSTRAP_API_KEY": kept_secret("api-key"), **environ}
    if settings.environment_named(environ) == "production":
        raise SettingsError(
            "service.environment: `run` is for development, and the settings here are for production. Use "
            '`otp-service serve`, or write environment = "development" under [service] of a file of its own, and name '
            "that file in OTP_CONFIG"
        )
    return settings.load(environ, defaults(environ))


def load_for_operator(environ: Mapping[str, str]) -> Settings:
    """For `keys`, `doctor` and the like: the service's settings; those of `run` lie beneath them where it was used."""
    used_here = (DATA / "root-secret").exists() and settings.environment_named(environ) != "production"
    return load(environ) if used_here else settings.load(environ)


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
            "targetsms-xml": {"kind": "targetsms-xml", **account, "incoming_seconds": 1.0},
            "telegram": {"kind": "telegram", "base_url": sandbox, "token": SANDBOX_TELEGRAM_TOKEN},
            "mail": {
                "kind": "smtp",
                "base_url": f"smtp://127.0.0.1:{mail_port(environ)}",
                "sender": "codes@shop.example",
            },
            "smska": {
                "kind": "smska",
                "base_url": sandbox,
                "api_key": SANDBOX_ACCOUNT["login"],
                "api_password": SANDBOX_ACCOUNT["password"],
                "sender": SANDBOX_ACCOUNT["sender"],
            },
        },
        "routes": {
            "sms": {"gateways": ["targetsms-password", "targetsms-xml", "smska"]},
            "telegram": {"gateways": ["telegram", "targetsms-xml", "smska"]},
            "email": {"gateways": ["mail"]},
        },
        "inbound": {"number": SANDBOX_NUMBER},
        "applications": {
            "web": {
                "brand": "Demo",
                "assurance": "claimed",
                "workflow": {"steps": STEPS},
                "hooks": {kind: {} for kind in HOOKS},
            }
        },
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
