"""`otp-service factors`: take over TOTP secrets of another system, and unlock what too many wrong codes disabled."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.domain import totp_import
from otp_service.domain.keyring import Keyring
from otp_service.errors import Refused, SettingsError
from otp_service.factors import Factors
from otp_service.hashing import HashPool
from otp_service.settings import Settings
from otp_service.storage import guards
from otp_service.storage.audit import AuditLog
from otp_service.storage.connection import open_database
from otp_service.storage.factors import FactorStore
from otp_service.storage.install import load_names
from otp_service.storage.subject_records import Vault
from otp_service.storage.subjects import SubjectStore


def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    if arguments.application not in settings.applications:
        raise SettingsError(f"--application: there is no application {arguments.application!r}")
    if arguments.action == "unlock":
        return asyncio.run(_unlock(settings, arguments.application, arguments.subject))
    return asyncio.run(_import(settings, arguments.application, _read(arguments.file)))


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: is not text in UTF-8") from None


async def _import(settings: Settings, application: str, text: str) -> int:
    imported = already = refused = 0
    async with _opened(settings) as factors:
        for number, row in enumerate(totp_import.rows(text), start=1):
            try:
                if isinstance(row, ValueError):
                    raise row
                added = await factors.take_over(application, row)
            except (ValueError, Refused) as error:
                if isinstance(error, Refused) and error.code != "too_many_factors":
                    raise
                refused += 1
                print(f"row {number}: {error}", file=sys.stderr)
                continue
            imported += added
            already += not added
        await factors.record_import(application, actor(), imported)
    print(f"{imported} imported, {already} already there, {refused} refused.")
    return 1 if refused else 0


async def _unlock(settings: Settings, application: str, subject: str) -> int:
    async with _opened(settings) as factors:
        forgotten = await factors.unlock(application, subject, actor())
    print(f"{forgotten} wrong codes in a row forgotten.")
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Factors]:
    async with open_database(settings.redis) as database:
        await guards.wait_until_there(database)
        keyring = Keyring(settings.service.secret.reveal())
        names = await load_names(database, keyring)
        vault = Vault(keyring)
        lasting = settings.redis.allow_factors_without_persistence or await guards.is_lasting(database)
        subjects = SubjectStore(database, names, vault)
        pool = HashPool(settings.hashing)
        audit = AuditLog(database, settings.retention.audit_seconds)
        try:
            yield Factors(settings, names, vault, FactorStore(database), subjects, pool, audit, lasting=lasting)
        finally:
            pool.close()
