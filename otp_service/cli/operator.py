"""What commands about people have in common: who runs them, whose phone is meant, and what they work on."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from otp_service.domain import recipients
from otp_service.domain.keyring import Keyring, Names
from otp_service.errors import SettingsError
from otp_service.settings import Application, Settings
from otp_service.storage.audit import AuditLog
from otp_service.storage.connection import Database, open_database
from otp_service.storage.install import load_names
from otp_service.storage.preflight import wait_until_there


def actor() -> str:
    """`cli:` and the account of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a container may run under a number that has no name
        return "cli:unknown"


def phone_in(settings: Settings, application: str, number: str) -> str:
    """A phone or an address as it is stored. Raises SettingsError where there is no such application."""
    return recipients.read_any(number, application_in(settings, application).region).text


def application_in(settings: Settings, name: str) -> Application:
    """Raises SettingsError where there is no such application."""
    policy = settings.applications.get(name)
    if policy is None:
        raise SettingsError(f"--application: there is no application {name!r}")
    return policy


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, Names, AuditLog]]:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        names = await load_names(database, Keyring(settings.service.secret.reveal()))
        yield database, names, AuditLog(database, settings.retention.audit_seconds)
