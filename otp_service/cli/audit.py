"""`otp-service audit export`: the audit log as JSON lines, for an archive or another program."""

from __future__ import annotations

import argparse
import asyncio
import json
import os

from otp_service.cli.development import load_for_operator
from otp_service.settings import Settings
from otp_service.storage.audit import AuditLog, told
from otp_service.storage.connection import open_database
from otp_service.storage.guards import wait_until_there


def main(_: argparse.Namespace) -> int:
    return asyncio.run(_export(load_for_operator(os.environ)))


async def _export(settings: Settings) -> int:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        async for entry in AuditLog(database, settings.retention.audit_seconds).entries():
            print(json.dumps(told(entry), ensure_ascii=False))
    return 0
