"""`otp-service keys`: API keys are made, listed and revoked here; only their hashes are kept."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime

from otp_service.cli.development import load_for_operator
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.storage.api_keys import ApiKeyStore
from otp_service.storage.connection import open_database
from otp_service.storage.guards import wait_until_there


def main(arguments: argparse.Namespace) -> int:
    return asyncio.run(_main(load_for_operator(os.environ), arguments))


async def _main(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        store = ApiKeyStore(database)
        if arguments.action == "create":
            return await _create(store, settings, arguments)
        if arguments.action == "list":
            return await _list(store, arguments.json)
        if await store.revoke(arguments.id):
            print(f"Revoked {arguments.id}. Running processes may honour it for 5 s more.")
            return 0
        print(f"There is no key {arguments.id}; `otp-service keys list` shows them.")
        return 1


async def _create(store: ApiKeyStore, settings: Settings, arguments: argparse.Namespace) -> int:
    if arguments.application not in settings.applications:
        known = ", ".join(settings.applications)
        raise SettingsError(f"--application: there is no application {arguments.application!r}; there are: {known}")
    key, secret = await store.create(arguments.application, arguments.name)
    print(secret.reveal())
    print(f"Key {key.id} for {key.application}. It is shown only now; keep it like a password.", file=sys.stderr)
    return 0


async def _list(store: ApiKeyStore, as_json: bool) -> int:
    found = await store.list()
    if as_json:
        rows = [{"id": k.id, "application": k.application, "name": k.name, "created_at": k.created_at} for k in found]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    print(f"{'ID':<14}{'APPLICATION':<16}{'MADE':<22}NAME")
    for key in found:
        made = datetime.fromtimestamp(key.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        print(f"{key.id:<14}{key.application:<16}{made:<22}{key.name}")
    return 0
