"""`otp-service phones`: clear every count that holds a phone back, as after 100 wrong codes in a row; tell why it got
no code."""

from __future__ import annotations

import argparse
import math
import os
from datetime import UTC, datetime

from otp_service.admission.limits import Limits
from otp_service.admission.unlocking import unlock
from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor, opened, phone_in
from otp_service.cli.printer import say
from otp_service.domain import recipients
from otp_service.storage.audit import Action
from otp_service.storage.ledger import Ledger
from otp_service.storage.limits import LimitStore
from otp_service.storage.refusals import RefusalStore


async def main(arguments: argparse.Namespace) -> int:
    settings, application = load_for_operator(os.environ), arguments.application
    e164 = phone_in(settings, application, arguments.phone)
    async with opened(settings) as (database, names, audit):
        index = names.phone_index(application, e164)
        if arguments.action == "refusals":
            await audit.record(actor(), Action.PERSON_VIEWED, index, application=application, by="phone")
            refusals = await RefusalStore(database).of_phone(application, index)
            say(f"{recipients.mask(e164)}: " + ("" if refusals else "not refused in the last 24 hours."))
            for one in refusals:
                at = datetime.fromtimestamp(one.at / 1000, UTC).isoformat(sep=" ", timespec="seconds")
                say(f"  {at}  {one.code}  {one.detail}".rstrip())
            return 0
        await audit.record(actor(), Action.PHONE_UNLOCKED, index, application=application)
        limits = Limits(settings, names, LimitStore(database))
        found = await unlock(Ledger(database, names), limits, application, e164)
    cleared = [f"{found.failures} wrong codes in a row"] if found.failures else []
    cleared += [f"a pause of {math.ceil(found.pause_ms / 1000)} s"] if found.pause_ms else []
    cleared += [f"{count} of {limit}" for limit, count in found.limits.items()]
    say(f"{recipients.mask(e164)}: " + (f"forgotten: {', '.join(cleared)}." if cleared else "nothing held it back."))
    return 0
