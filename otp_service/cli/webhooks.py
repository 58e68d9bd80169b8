"""`otp-service webhooks`: how it stands with receivers, a test event for one, and telling it again."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec.structs import asdict

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import actor
from otp_service.cli.printer import say, say_table
from otp_service.domain.keyring import Keyring
from otp_service.domain.webhooks import Endpoint
from otp_service.errors import SettingsError
from otp_service.settings import Settings, webhook_endpoints
from otp_service.settings.prices import PriceList
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.connection import Database, open_database
from otp_service.storage.events import EventStore
from otp_service.storage.preflight import wait_until_there
from otp_service.storage.statistics import StatisticsStore
from otp_service.storage.webhooks import HookRecord, WebhookStore
from otp_service.webhooks.receivers import TEST, WHY, send_test


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    known = webhook_endpoints(settings)
    if arguments.action == "list":
        return await _list(settings, known, arguments.json)
    endpoint = known.get(arguments.endpoint)
    if endpoint is None:
        raise SettingsError(f"there is no endpoint {arguments.endpoint}; `otp-service webhooks list` shows them")
    if arguments.action == "test":
        return await _test(settings, endpoint)
    return await _replay(settings, endpoint, arguments)


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
        told = [
            {
                "id": endpoint.id,
                "application": endpoint.application,
                "host": urlsplit(endpoint.url).netloc,
                "state": record.state if record else "new",
                **asdict(record or HookRecord()),
            }
            for endpoint, record in rows
        ]
        say(json.dumps(told))
        return 0
    heading = ("ID", "APPLICATION", "STATE", "BACKLOG", "PARKED", "LAST TOLD", "LAST FAILED", "ANSWER", "HOST")
    table: list[Sequence[object]] = [heading]
    for endpoint, record in rows:
        state = record or HookRecord()
        word, times = state.state if record else "new", (_time(state.told_at), _time(state.failed_at))
        host = urlsplit(endpoint.url).netloc
        table.append(
            (endpoint.id, endpoint.application, word, state.backlog, state.parked, *times, state.answer or "-", host)
        )
    say_table(table)
    for endpoint, record in rows:
        if record and record.disabled:
            since = f"disabled {_time(record.disabled_at)} ({record.disabled})"
            say(f"{endpoint.id}: {since}; `webhooks replay` enables it")
        elif record and record.attempt:
            say(f"{endpoint.id}: failing since {_time(record.failing_since)}, tried again {_time(record.next_at)}")
    return 0


async def _test(settings: Settings, endpoint: Endpoint) -> int:
    began = time.monotonic()
    event_id, answer = await send_test(settings, endpoint)
    if answer.status:
        say(f"{answer.status} after {time.monotonic() - began:.2f} s for {TEST} {event_id}")
    else:
        say(f"No answer: {WHY[answer.why]}.")
    return 0 if 200 <= answer.status < 300 else 1


async def _replay(settings: Settings, endpoint: Endpoint, arguments: argparse.Namespace) -> int:
    start = start_of(arguments.start, endpoint.application) if arguments.start else ""
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        audit = AuditLog(database, settings.retention.audit_seconds)
        if (await _store(settings, database).read([endpoint]))[0] is not None:
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
        say(f"{endpoint.id} is new: no service that knows it has been started yet.")
        return 1
    what = f"from {arguments.start} on" if start else f"{parked} parked events again" if arguments.parked else "on"
    say(f"{endpoint.id} is enabled and is told {what}, by a running service.")
    return 0


def _store(settings: Settings, database: Database) -> WebhookStore:
    keyring = Keyring(settings.service.secret.reveal())
    prices = PriceList(settings)
    statistics = StatisticsStore(database, settings.statistics, prices.of_part, prices.owes)
    return WebhookStore(database, EventStore(database, keyring, settings.retention.events_seconds, {}, statistics))


def _time(milliseconds: int) -> str:
    if not milliseconds:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
