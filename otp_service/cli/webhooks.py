"""`otp-service webhooks`: how it stands with receivers, a test event for one, and telling it again."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec.structs import asdict

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.domain.keyring import Keyring
from otp_service.domain.webhooks import Endpoint
from otp_service.errors import SettingsError
from otp_service.settings import Settings, webhook_endpoints
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, open_database
from otp_service.storage.events import EventStore
from otp_service.storage.guards import wait_until_there
from otp_service.storage.hooks import HookRecord, HookStore
from otp_service.telling import body_of
from otp_service.webhooks.receivers import open_receivers, tell

TEST = "webhook.test"


def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    known = webhook_endpoints(settings)
    if arguments.action == "list":
        return asyncio.run(_list(settings, known, arguments.json))
    endpoint = known.get(arguments.endpoint)
    if endpoint is None:
        raise SettingsError(f"there is no endpoint {arguments.endpoint}; `otp-service webhooks list` shows them")
    if arguments.action == "test":
        return asyncio.run(_test(settings, endpoint))
    return asyncio.run(_replay(settings, endpoint, arguments))


def start_of(text: str, application: str) -> str:
    """Where a replay begins, from what an operator wrote: the id of an event, or a time. Raises SettingsError."""
    if re.fullmatch(rf"evt_{re.escape(application)}_[0-9]{{1,15}}-[0-9]{{1,10}}", text):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--from: must be the id of an event of {application}, or a time such as 2026-03-01T12:00:00Z"
        ) from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return f"{max(0, int(seconds * 1000))}-0"


async def _list(settings: Settings, known: Mapping[str, Endpoint], as_json: bool) -> int:
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        records = await _store(settings, database).read(list(known.values())) if known else []
    rows = list(zip(known.values(), records, strict=True))
    if as_json:
        print(json.dumps([_row(endpoint, record) for endpoint, record in rows]))
        return 0
    print(
        f"{'ID':<14}{'APPLICATION':<16}{'STATE':<12}{'BACKLOG':>8}{'PARKED':>8}  "
        f"{'LAST TOLD':<22}{'LAST FAILED':<22}{'ANSWER':<13}HOST"
    )
    for endpoint, record in rows:
        state = record or HookRecord()
        print(
            f"{endpoint.id:<14}{endpoint.application:<16}{state.state if record else 'new':<12}{state.backlog:>8}"
            f"{state.parked:>8}  {_time(state.told_at):<22}{_time(state.failed_at):<22}{state.answer or '-':<13}"
            f"{urlsplit(endpoint.url).netloc}"
        )
        if state.attempt and not state.disabled:
            print(f"{'':<14}failing since {_time(state.failing_since)}, tried again {_time(state.next_at)}")
        if state.disabled:
            print(f"{'':<14}disabled {_time(state.disabled_at)} ({state.disabled}); `webhooks replay` enables it")
    return 0


async def _test(settings: Settings, endpoint: Endpoint) -> int:
    event_id = f"evt_{endpoint.application}_test-{secrets.token_hex(8)}"
    body = body_of(TEST, int(time.time() * 1000), 0, {"endpoint": endpoint.id})
    async with open_receivers(settings) as receivers:
        began = time.monotonic()
        answer = await tell(receivers[endpoint.id], endpoint, event_id, body)
    if answer.status:
        print(f"{answer.status} after {time.monotonic() - began:.2f} s for {TEST} {event_id}")
    else:
        print(f"No answer: {WHY[answer.why]}.")
    return 0 if 200 <= answer.status < 300 else 1


async def _replay(settings: Settings, endpoint: Endpoint, arguments: argparse.Namespace) -> int:
    start = start_of(arguments.start, endpoint.application) if arguments.start else ""
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        audit = AuditLog(database, settings.retention.audit_seconds)
        await audit.record(
            actor(),
            Action.WEBHOOK_REPLAYED,
            endpoint.id,
            application=endpoint.application,
            start=start,
            parked=int(arguments.parked),
        )
        parked = await _store(settings, database).replay(endpoint, start, parked=arguments.parked)
    if parked is None:
        print(f"{endpoint.id} is new: no service that knows it has been started yet.")
        return 1
    what = f"from {arguments.start} on" if start else f"{parked} parked events again" if arguments.parked else "on"
    print(f"{endpoint.id} is enabled and is told {what}, by a running service.")
    return 0


def _store(settings: Settings, database: Database) -> HookStore:
    keyring = Keyring(settings.service.secret.reveal())
    return HookStore(database, EventStore(database, keyring, settings.retention.events_seconds, {}))


def _row(endpoint: Endpoint, record: HookRecord | None) -> dict[str, object]:
    found = {"id": endpoint.id, "application": endpoint.application, "host": urlsplit(endpoint.url).netloc}
    return {**found, "state": record.state if record else "new", **asdict(record or HookRecord())}


def _time(milliseconds: int) -> str:
    if not milliseconds:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


WHY = {
    "unreachable": "no connection",
    "name": "the host's name has no address",
    "address": "its address is not public and not in webhooks.allow_networks",
    "certificate": "its TLS certificate was not accepted",
    "timeout": "it took longer than 15 s",
    "broken": "the connection broke, or the answer was not HTTP",
}
