"""`otp-service repair`: what could not be read in Redis and was set aside: see it, forget it, or put it back."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import say, say_table
from otp_service.storage import unreadable
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, open_database
from otp_service.storage.preflight import wait_until_there
from otp_service.storage.unreadable import Entry

ALL = "all"


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        found = await unreadable.entries(database.topology)
        if arguments.action == "list":
            return _list(found, arguments.json)
        chosen = [entry for entry in found if arguments.id in (entry.id, ALL)]
        if not chosen and arguments.id != ALL:
            say(f"There is no {arguments.id}; `otp-service repair list` shows what is there.")
            return 1
        audit = AuditLog(database, settings.retention.audit_seconds)
        return await _repair(database, audit, arguments.action, chosen)


def _list(found: list[Entry], as_json: bool) -> int:
    rows = [
        {
            "id": entry.id,
            "at": datetime.fromtimestamp(entry.at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "what": entry.what,
            "bytes": sum(map(len, entry.data)),
            "why": entry.why,
            "key": entry.key,
        }
        for entry in found
    ]
    if as_json:
        say(json.dumps(rows))
    else:
        shown = (row | {"key": ascii(row["key"])[1:-1]} for row in rows)
        say_table([("ID", "SEEN", "WHAT", "BYTES", "WHY", "KEY"), *(list(row.values()) for row in shown)])
    return 0


async def _repair(database: Database, audit: AuditLog, action: str, chosen: list[Entry]) -> int:
    worst = 0
    for entry in chosen:
        await audit.record(actor(), Action.RECORD_REPAIRED, entry.id, what=entry.what, done=action)
        if action == "drop":
            await unreadable.drop(database.topology, entry)
            say(f"{entry.id}: forgotten")
        elif await unreadable.retry(database.topology, entry):
            say(f"{entry.id}: put back; if it still cannot be read, it comes back here")
        else:
            say(f"{entry.id}: cannot be put back: something else is in its place, or it was too long to be kept")
            worst = 1
    return worst
