"""`otp-service keys`: API keys are made, listed, rotated and revoked here; only their hashes are kept."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import minute, say, say_table
from otp_service.domain.scopes import DEFAULT_SCOPES
from otp_service.errors import SettingsError
from otp_service.settings import Settings
from otp_service.storage.api_keys import ApiKey, ApiKeyStore, Grant
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import open_database
from otp_service.storage.preflight import wait_until_there


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
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
    say(secret.reveal())
    say(f"Key {key_id} for {grant.application}. It is shown only now; keep it like a password.", error=True)
    return 0


async def _rotate(store: ApiKeyStore, audit: AuditLog, key_id: str, overlap_seconds: int) -> int:
    key = await store.get(key_id)
    rotation = await store.rotate(key_id, overlap_seconds)
    ends = minute(rotation.old_ends_at)
    if rotation.secret is None or key is None:
        say(
            {
                "expired": f"Key {key_id} has ended; make a new one.",
                "has_successor": f"Key {key_id} was rotated before: {rotation.other} replaces it.",
                "two_live": f"Key {rotation.other}, which {key_id} replaces, works until {ends}. Revoke it first.",
            }.get(rotation.word, f"There is no key {key_id}; `otp-service keys list` shows them.")
        )
        return 1
    await audit.record(actor(), Action.KEY_ROTATED, key_id, application=key.application, successor=rotation.new_id)
    say(rotation.secret.reveal())
    say(
        f"Key {rotation.new_id} for {key.application} replaces {key_id}, which works until {ends}. "
        "It is shown only now; keep it like a password.",
        error=True,
    )
    return 0


async def _revoke(store: ApiKeyStore, audit: AuditLog, key_id: str) -> int:
    key = await store.get(key_id)
    if key is None:
        say(f"There is no key {key_id}; `otp-service keys list` shows them.")
        return 1
    await audit.record(actor(), Action.KEY_REVOKED, key_id, application=key.application)
    await store.revoke(key_id)
    say(f"Revoked {key_id}. Running processes may honour it for 5 s more.")
    return 0


async def _list(store: ApiKeyStore, as_json: bool) -> int:
    found = await store.list()
    if as_json:
        say(json.dumps([_row(key) for key in found], ensure_ascii=False))
        return 0
    table: list[Sequence[str]] = [("ID", "APPLICATION", "MADE", "LAST USED", "ENDS", "SCOPES", "NETWORKS", "NAME")]
    for key in found:
        times = map(minute, (key.created_at, key.last_used_at, key.expires_at))
        networks, scopes = ",".join(map(str, key.grant.networks)) or "any", ",".join(sorted(key.grant.scopes))
        # On one line of a terminal, whatever was written into it.
        name = key.grant.name
        note = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
        table.append((key.id, key.application, *times, scopes, networks, note))
    say_table(table)
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
