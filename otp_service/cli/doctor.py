"""`otp-service doctor`: are the settings, Redis and the gateways fit for work? Sends no SMS."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator

from otp_service.cli.accounts.opening import callback_prefix
from otp_service.cli.development import load_for_operator
from otp_service.errors import OtpError
from otp_service.gateways import registry
from otp_service.gateways.base import Finding
from otp_service.gateways.targetsms import examination
from otp_service.gateways.targetsms.gateways import XmlGateway
from otp_service.settings import Settings, examined
from otp_service.storage.connection import open_database
from otp_service.storage.gateways import GatewayRecord, GatewayStore
from otp_service.storage.guards import inspect, own_clock, wait_until_there


def main(_: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    return asyncio.run(_examine(settings))


async def _examine(settings: Settings) -> int:
    worst = 0
    async for finding in _findings(settings):
        print(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name:<22} {finding.text}", flush=True)
        worst |= not finding.ok
    return worst


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    names = ", ".join(settings.applications)
    yield Finding("settings", True, f"{settings.service.environment}; applications: {names}")
    for name, found in examined(settings.applications):
        yield Finding(f"text {name}", found.ok, found.sentence)
    circuits: list[Finding] = []
    clock = ""
    try:
        async with open_database(settings.redis) as database:
            await wait_until_there(database, patience=2)
            problems = await inspect(database, allow_no_persistence=settings.redis.allow_no_persistence)
            clock = await own_clock(database)
            records = await GatewayStore(database).read(list(settings.gateways))
            circuits = [_circuit(record) for record in records.values() if record.circuit != "closed"]
    except OtpError as error:
        problems = [str(error)]
    for problem in problems:
        yield Finding("redis", False, problem.removeprefix("redis: "))
    if not problems:
        yield Finding("redis", True, "answers, keeps its data, evicts nothing")
    if clock:
        yield Finding("clock", False, f"of this host: {clock}")
    for finding in circuits:
        yield finding
    for name, table in settings.gateways.items():
        gateway = registry.build(name, table)
        try:
            for finding in await gateway.examine():
                yield Finding(f"{name} {finding.name}", finding.ok, finding.text)
            if isinstance(gateway, XmlGateway) and table.get("callback_token"):
                finding = await examination.callback_address(
                    gateway.api, callback_prefix(settings), seconds=gateway.attempt_seconds
                )
                yield Finding(f"{name} {finding.name}", finding.ok, finding.text)
        finally:
            await gateway.close()


def _circuit(record: GatewayRecord) -> Finding:
    state = "is being tried again" if record.circuit == "half_open" else "is left alone"
    return Finding(f"{record.name} circuit", False, f"{state} because of {record.reason}")
