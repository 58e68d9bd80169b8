"""`otp-service erase`: forget what is known of a phone, at its holder's request."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor, opened, phone_in
from otp_service.cli.printer import say
from otp_service.domain import recipients
from otp_service.storage.audit import Action
from otp_service.storage.erasure import erase


async def main(arguments: argparse.Namespace) -> int:
    settings, application = load_for_operator(os.environ), arguments.application
    e164 = phone_in(settings, application, arguments.phone)
    async with opened(settings) as (database, names, audit):
        index = names.phone_index(application, e164)
        await audit.record(actor(), Action.PHONE_ERASED, index, application=application)
        done = asdict(await erase(database, names, application, e164))
    told = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in done.items())
    say(f"{recipients.mask(e164)}: erased {told}.")
    say("The append-only file and backups hold it until they are rewritten: docs/security.md, Erasure.")
    return 0
