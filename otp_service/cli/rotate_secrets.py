"""`otp-service rotate-secrets`: so that a former root secret need not be listed any more. The service may serve."""

from __future__ import annotations

import argparse
import os

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import say
from otp_service.domain.keyring import Keyring
from otp_service.storage import rotation
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import open_database
from otp_service.storage.install import load_names
from otp_service.storage.preflight import wait_until_there


async def main(_: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        keyring = Keyring(settings.service.secret.reveal())
        audit = AuditLog(database, settings.retention.audit_seconds)
        await load_names(database, keyring, audit)
        await audit.record(actor(), Action.SECRETS_RESEALED, keyring.current.id)
        report = await rotation.rotate(database, keyring)
    say(
        f"{report.looked_at} subjects looked at, {report.resealed} encrypted anew; "
        f"former secrets kept: {report.retired}."
    )
    if report.unreadable:
        say(
            f"PROBLEM  {report.unreadable} subjects are encrypted with a secret that is not listed: list it and repeat."
        )
    if report.left:
        say(f"PROBLEM  {report.left} subjects changed meanwhile. Does every process have the new secret first? Repeat.")
    if report.unreadable or report.left:
        return 1
    say("Former root secrets are no longer needed: remove them from service.secret.")
    return 0
