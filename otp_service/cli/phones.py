"""`otp-service phones unlock`: bind a phone again after 100 wrong codes in a row disabled it."""

from __future__ import annotations

import argparse
import asyncio
import os

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.domain import phone
from otp_service.domain.keyring import Keyring
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import open_database
from otp_service.storage.guards import wait_until_there
from otp_service.storage.install import load_names
from otp_service.storage.ledger import Ledger


def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    application = settings.applications.get(arguments.application)
    if application is None:
        raise SettingsError(f"--application: there is no application {arguments.application!r}")
    e164 = phone.normalise(arguments.phone, application.region).e164
    return asyncio.run(_unlock(settings, arguments.application, e164))


async def _unlock(settings: Settings, application: str, e164: str) -> int:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        names = await load_names(database, Keyring(settings.service.secret.reveal()))
        audit = AuditLog(database, settings.retention.audit_seconds)
        index = names.phone_index(application, e164)
        await audit.record(actor(), Action.PHONE_UNLOCKED, index, application=application)
        cleared = await Ledger(database, names).unlock(application, e164)
    print(f"{phone.mask(e164)}: {cleared} wrong codes in a row forgotten.")
    return 0
