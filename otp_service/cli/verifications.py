"""`otp-service verifications show`: what happened to the verifications of a phone, or to one, for support."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from otp_service.cli.development import load_for_operator
from otp_service.domain import phone
from otp_service.domain.keyring import Keyring
from otp_service.domain.lifecycle import Verification
from otp_service.domain.timeline import timeline
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.storage.connection import open_database
from otp_service.storage.guards import wait_until_there
from otp_service.storage.install import load_names
from otp_service.storage.records import Records
from otp_service.storage.verifications import VerificationStore


def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    if arguments.application not in settings.applications:
        raise SettingsError(f"--application: there is no application {arguments.application!r}")
    found = asyncio.run(_find(settings, arguments.application, arguments.phone, arguments.id))
    print("\n\n".join(map(_told, found)) if found else "There is none, or it is no longer kept.")
    return 0 if found else 1


async def _find(settings: Settings, application: str, number: str, verification_id: str) -> Sequence[Verification]:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        keyring = Keyring(settings.service.secret.reveal())
        names = await load_names(database, keyring)
        store = VerificationStore(Records(database, keyring, names), names, settings.retention.ended_seconds)
        if number:
            e164 = phone.normalise(number, settings.applications[application].region).e164
            stored = await store.of_phone(application, e164)
        elif names.locate(verification_id):
            stored = [await store.read(verification_id, application)]
        else:
            stored = []
    return [each.found for each in stored if each.word == "ok"]


def _told(found: Verification) -> str:
    lines = [
        f"{found.id}  {found.status}  {phone.mask(found.phone)}  {found.purpose}  {found.reference}".rstrip(),
        f"  attempts {found.attempts} of {found.max_attempts}, sends {found.sends} of {found.max_sends}",
    ]
    for moment in timeline(found):
        message = found.messages[moment.message - 1] if moment.message else None
        about = f"  {message.gateway} by {message.channel} {message.reason}".rstrip() if message else ""
        lines.append(f"  {_time(moment.at)}  {moment.what}{about}")
    return "\n".join(lines)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")
