"""`otp-service factors`: take over TOTP secrets of another system, and unlock what too many wrong codes disabled."""

from __future__ import annotations

import argparse
import codecs
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import say
from otp_service.domain import totp_import
from otp_service.domain.totp_exports import UnreadableError
from otp_service.domain.totp_import import Row
from otp_service.errors import Refused, SettingsError
from otp_service.factors.factors import Factors
from otp_service.hash_pool import HashPool
from otp_service.settings import Settings
from otp_service.storage import preflight
from otp_service.storage.stores import open_stores


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    if arguments.application not in settings.applications:
        raise SettingsError(f"--application: there is no application {arguments.application!r}")
    if arguments.action == "unlock":
        return await _unlock(settings, arguments.application, arguments.subject)
    return await _import(settings, arguments.application, _read(arguments.file, arguments.encoding))


def _read(name: str, encoding: str) -> str:
    """A byte order mark says which Unicode it is, whatever was said."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise SettingsError(
            f"{name}: is not text in {encoding}. If it comes from Excel on a Russian Windows, say --encoding cp1251"
        ) from None


async def _import(settings: Settings, application: str, text: str) -> int:
    imported = already = refused = 0
    async with _opened(settings) as factors:
        for number, row in enumerate(_rows(text), start=1):
            try:
                if isinstance(row, ValueError):
                    raise row
                added = await factors.take_over(application, row)
            except (ValueError, Refused) as error:
                if isinstance(error, Refused) and error.code != "too_many_factors":
                    raise
                refused += 1
                say(f"authenticator {number}: {error}", error=True)
                continue
            imported += added
            already += not added
        await factors.record_import(application, actor(), imported)
    say(f"{imported} imported, {already} already there, {refused} refused.")
    return 1 if refused else 0


def _rows(text: str) -> Iterator[Row | ValueError]:
    """Raises SettingsError for a file that holds nothing, or nothing that we can read."""
    empty = True
    try:
        for row in totp_import.rows(text):
            empty = False
            yield row
    except UnreadableError as error:
        raise SettingsError(f"nothing is imported: {error}") from None
    if empty:
        raise SettingsError("nothing is imported: the file holds no authenticator")


async def _unlock(settings: Settings, application: str, subject: str) -> int:
    async with _opened(settings) as factors:
        forgotten = await factors.unlock(application, subject, actor())
    say(f"{forgotten} wrong codes in a row forgotten.")
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Factors]:
    async with open_stores(settings) as stores:
        persistent = settings.redis.allow_factors_without_persistence or await preflight.is_persistent(stores.database)
        pool = HashPool(settings.hashing)
        try:
            yield Factors(settings, stores, pool, persistent=persistent)
        finally:
            pool.close()
