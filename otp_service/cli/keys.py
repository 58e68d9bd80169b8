"""`otp-service keys`: API keys are made, listed, rotated and revoked here; only their hashes are kept."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.domain.scopes import DEFAULT_SCOPES
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.storage.api_keys import ApiKey, ApiKeyStore, Grant
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import open_database
from otp_service.storage.guards import wait_until_there


def main(arguments: argparse.Namespace) -> int:
    return asyncio.run(_main(load_for_operator(os.environ), arguments))


async def _main(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        store = ApiKeyStore(database)
        audit = AuditLog(database, settings.retention.audit_seconds)
        match arguments.action:
            case "create":
                return await _create(store, audit, settings, arguments)
            case "list":
                return await _list(store, arguments.json)
            case "rotate":
                return await _rotate(store, audit, arguments.id, arguments.overlap)
            case _:
                return await _revoke(store, audit, arguments.id)


async def _create(store: ApiKeyStore, audit: AuditLog, settings: Settings, arguments: argparse.Namespace) -> int:
    if arguments.application not in settings.applications:
        known = ", ".join(settings.applications)
        raise SettingsError(f"--application: there is no application {arguments.application!r}; there are: {known}")
    grant = Grant(
        arguments.application,
        arguments.name,
        frozenset(arguments.scope or DEFAULT_SCOPES),
        tuple(arguments.network or ()),
        arguments.expires_in,
    )
    key_id, secret = await store.create(grant)
    scopes = ",".join(sorted(grant.scopes))
    await audit.record(actor(), Action.KEY_CREATED, key_id, application=grant.application, scopes=scopes)
    print(secret.reveal())
    print(f"Key {key_id} for {grant.application}. It is shown only now; keep it like a password.", file=sys.stderr)
    return 0


async def _rotate(store: ApiKeyStore, audit: AuditLog, key_id: str, overlap_seconds: int) -> int:
    key = await store.get(key_id)
    rotation = await store.rotate(key_id, overlap_seconds)
    ends = _minute(rotation.old_ends_at)
    if rotation.secret is None or key is None:
        print(
            {
                "expired": f"Key {key_id} has ended; make a new one.",
                "has_successor": f"Key {key_id} was rotated before: {rotation.other} replaces it.",
                "two_live": f"Key {rotation.other}, which {key_id} replaces, works until {ends}. Revoke it first.",
            }.get(rotation.word, f"There is no key {key_id}; `otp-service keys list` shows them.")
        )
        return 1
    await audit.record(actor(), Action.KEY_ROTATED, key_id, application=key.application, successor=rotation.new_id)
    print(rotation.secret.reveal())
    print(
        f"Key {rotation.new_id} for {key.application} replaces {key_id}, which works until {ends}. "
        "It is shown only now; keep it like a password.",
        file=sys.stderr,
    )
    return 0


async def _revoke(store: ApiKeyStore, audit: AuditLog, key_id: str) -> int:
    key = await store.get(key_id)
    if key is None:
        print(f"There is no key {key_id}; `otp-service keys list` shows them.")
        return 1
    await audit.record(actor(), Action.KEY_REVOKED, key_id, application=key.application)
    await store.revoke(key_id)
    print(f"Revoked {key_id}. Running processes may honour it for 5 s more.")
    return 0


async def _list(store: ApiKeyStore, as_json: bool) -> int:
    found = await store.list()
    if as_json:
        print(json.dumps([_row(key) for key in found], ensure_ascii=False))
        return 0
    print(f"{'ID':<14}{'APPLICATION':<16}{'MADE':<22}{'LAST USED':<22}{'ENDS':<22}{'SCOPES':<18}{'NETWORKS':<20}NAME")
    for key in found:
        times = "".join(f"{_minute(time):<22}" for time in (key.created_at, key.last_used_at, key.expires_at))
        networks = ",".join(map(str, key.grant.networks)) or "any"
        scopes = ",".join(sorted(key.grant.scopes))
        print(f"{key.id:<14}{key.application:<16}{times}{scopes:<18} {networks:<20}{key.grant.name}")
    return 0


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "application": key.application,
        "name": key.grant.name,
        "scopes": sorted(key.grant.scopes),
        "networks": [str(network) for network in key.grant.networks],
        "created_at": key.created_at // 1000,
        "last_used_at": key.last_used_at // 1000 or None,
        "expires_at": key.expires_at // 1000 or None,
        "successor": key.successor or None,
    }


def _minute(milliseconds: int) -> str:
    if not milliseconds:
        return "never"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
