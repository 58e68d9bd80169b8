"""`otp-service verifications show`: what happened to the verifications of a phone, or to one, for support."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from otp_service.cli.development import load_for_operator
from otp_service.cli.printer import say
from otp_service.domain import recipients
from otp_service.domain.keyring import Keyring
from otp_service.domain.timeline import timeline
from otp_service.domain.verifications import Verification
from otp_service.errors import SettingsError
from otp_service.storage.connection import open_database
from otp_service.storage.install import load_names
from otp_service.storage.preflight import wait_until_there
from otp_service.storage.records import Records
from otp_service.storage.verifications import VerificationStore


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    if arguments.application not in settings.applications:
        raise SettingsError(f"--application: there is no application {arguments.application!r}")
    found: list[Verification] = []
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        keyring = Keyring(settings.service.secret.reveal())
        names = await load_names(database, keyring)
        store = VerificationStore(Records(database, keyring, names), names, settings.retention.ended_seconds)
        if arguments.phone:
            e164 = recipients.read_any(arguments.phone, settings.applications[arguments.application].region).text
            found = [each.verification for each in await store.of_phone(arguments.application, e164)]
        elif names.locate(arguments.id):
            stored = await store.read(arguments.id, arguments.application)
            found = [stored.verification] if stored.word == "ok" else []
    say("\n\n".join(map(_told, found)) if found else "There is none, or it is no longer kept.")
    return 0 if found else 1


def _told(found: Verification) -> str:
    lines = [
        f"{found.id}  {found.status}  {recipients.mask(found.phone)}  {found.purpose}  {found.reference}".rstrip(),
        f"  attempts {found.attempts} of {found.max_attempts}, sends {found.sends} of {found.max_sends}",
    ]
    if choice := found.route:
        lines.append(f"  route {choice.order}: {choice.first} first, {choice.reason}; in the settings {choice.before}")
    told: set[int] = set()
    for moment in timeline(found):
        message = found.messages[moment.message - 1] if moment.message else None
        about = f"  {message.gateway} by {message.channel} {message.reason}".rstrip() if message else ""
        if message and message.words and moment.what.endswith(message.status) and message.number not in told:
            told.add(message.number)
            about += f" («{message.words}»)"
        at = datetime.fromtimestamp(moment.at / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")
        lines.append(f"  {at}  {moment.what}{about}")
    return "\n".join(lines)
