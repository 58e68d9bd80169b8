"""`otp-service audit export`: the audit log as JSON lines, for an archive or another program."""

from __future__ import annotations

import argparse
import json
import os

from otp_service.cli.development import load_for_operator
from otp_service.cli.printer import say
from otp_service.storage.audit import AuditLog, told
from otp_service.storage.connection import open_database
from otp_service.storage.preflight import wait_until_there


async def main(_: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        async for entry in AuditLog(database, settings.retention.audit_seconds).entries():
            say(json.dumps(told(entry), ensure_ascii=False))
    return 0
