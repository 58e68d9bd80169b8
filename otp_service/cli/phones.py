"""`otp-service phones unlock`: bind a phone again after 100 wrong codes in a row disabled it."""

from __future__ import annotations

import argparse
import asyncio
import os

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor, opened, phone_in
from otp_service.domain import phone
from otp_service.settings import Settings
from otp_service.storage.audit import Action
from otp_service.storage.ledger import Ledger


def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    e164 = phone_in(settings, arguments.application, arguments.phone)
    return asyncio.run(_unlock(settings, arguments.application, e164))


async def _unlock(settings: Settings, application: str, e164: str) -> int:
    async with opened(settings) as (database, names, audit):
        index = names.phone_index(application, e164)
        await audit.record(actor(), Action.PHONE_UNLOCKED, index, application=application)
        cleared = await Ledger(database, names).unlock(application, e164)
    print(f"{phone.mask(e164)}: {cleared} wrong codes in a row forgotten.")
    return 0
