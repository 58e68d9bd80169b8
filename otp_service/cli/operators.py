"""`otp-service operators`: who works with the console. A link to set a password is printed once, to be handed over."""

from __future__ import annotations

import argparse
import os

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import minute, say, say_table
from otp_service.domain.keyring import Keyring
from otp_service.domain.operators import Role
from otp_service.errors import Refused, SettingsError
from otp_service.operators.accounts import ENROL, Accounts
from otp_service.settings import Settings
from otp_service.storage.audit import AuditLog
from otp_service.storage.connection import Database, open_database
from otp_service.storage.install import load_names
from otp_service.storage.operators import OperatorStore
from otp_service.storage.preflight import wait_until_there
from otp_service.storage.subject_records import Vault
from otp_service.storage.subjects import SubjectStore


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        accounts = await open_accounts(settings, database)
        try:
            match arguments.action:
                case "add":
                    _invite(settings, await accounts.add(arguments.name, Role(arguments.role), actor()))
                case "reset":
                    _invite(settings, await accounts.reset(arguments.name, actor()))
                case "role":
                    await accounts.change_role(arguments.name, Role(arguments.role), actor())
                    say(f"{arguments.name}: {arguments.role}; their sessions are ended.")
                case "unlock":
                    say(f"{arguments.name}: forgotten {await accounts.unlock(arguments.name, actor())} in a row.")
                case "remove":
                    await accounts.remove(arguments.name, actor())
                    say(f"{arguments.name} is removed; their sessions are ended.")
                case _:
                    await _list(accounts)
        except Refused as refusal:
            if refusal.code not in ("not_found", "validation_failed"):
                raise
            raise SettingsError(refusal.detail) from None
    return 0


async def open_accounts(settings: Settings, database: Database) -> Accounts:
    keyring = Keyring(settings.service.secret.reveal())
    names = await load_names(database, keyring)
    subjects = SubjectStore(database, names, Vault(keyring))
    return Accounts(OperatorStore(database), names, subjects, AuditLog(database, settings.retention.audit_seconds))


def link_of(settings: Settings, token: str) -> str:
    return f"{settings.service.public_url.rstrip('/')}{ENROL}{token}"


def _invite(settings: Settings, token: str) -> None:
    say(link_of(settings, token))
    say("It works once, within 24 h: hand it over as you would a password.", error=True)


async def _list(accounts: Accounts) -> None:
    rows = [
        (found.name, found.role, *map(minute, (found.created_at, found.enrolled_at, found.signed_in_at)))
        for found in await accounts.list()
    ]
    say_table([("NAME", "ROLE", "MADE", "ENROLLED", "LAST SIGN-IN"), *rows])
