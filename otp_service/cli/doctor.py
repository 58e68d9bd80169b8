"""`otp-service doctor`: are the settings, Redis and the gateways fit for work? Sends no SMS."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from otp_service import __version__
from otp_service.cli.development import load_for_operator
from otp_service.cli.listening import free_address, serving_at
from otp_service.cli.open_files import connections_that_fit
from otp_service.cli.printer import say
from otp_service.delivery.recipients import build_gateways
from otp_service.domain.keyring import Keyring
from otp_service.domain.reasons import Reason
from otp_service.errors import OtpError, SettingsError, WrongRedisError
from otp_service.gateways.base import Finding, Gateway, TakesCallbacks
from otp_service.settings import Settings, examined, places
from otp_service.storage.connection import open_database
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.preflight import is_persistent, obstacles, own_clock
from otp_service.telemetry import logs, tracing

DOCTOR_SECONDS = 2.0
"""How long Redis is waited for; a start gives it ten."""


async def main(_: argparse.Namespace) -> int:
    logs.level_number(os.environ.get("OTP_LOG_LEVEL", "INFO"))
    settings, worst = load_for_operator(os.environ), 0
    async for finding in findings(settings, os.environ):
        say(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name:<22} {finding.text}")
        worst |= not finding.ok
    return worst


async def findings(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Finding]:
    """What `serve` would refuse, by the same lists and in the same words, and what it would only warn of."""
    names = ", ".join(settings.applications)
    yield Finding("settings", True, f"{settings.service.environment}; applications: {names}")
    yield Finding("settings are from", True, places(environ))
    gateways: Mapping[str, Gateway] = {}
    try:
        with tracing.exporting(settings.tracing.endpoint, settings.tracing.sample_ratio, __version__):
            gateways = build_gateways(settings)
    except SettingsError as error:
        yield Finding("settings", False, str(error))
    for name, found in examined(settings.applications):
        yield Finding(f"text {name}", found.ok, found.sentence)
    yield await _address(environ)
    try:
        fit, short = connections_that_fit(settings)
        yield Finding("open files", not short, short or f"room for {fit} connections")
    except SettingsError as error:
        yield Finding("open files", False, str(error))
    wrong: WrongRedisError | None = None
    try:
        of_redis = await _of_redis(settings)
    except WrongRedisError as error:
        wrong, of_redis = error, [Finding("redis", False, str(error).removeprefix("redis: "))]
    for finding in of_redis:
        yield finding
    for name, gateway in gateways.items():
        for finding in await _of_gateway(settings, name, gateway):
            yield finding
    if wrong:  # nothing else can mend that: the service would not start
        raise wrong


async def _address(environ: Mapping[str, str]) -> Finding:
    """Whether `serve` could listen; a service of ours that does so already is no fault."""
    try:
        return Finding("address", True, f"{free_address(environ)} is free")
    except SettingsError as error:
        if where := await asyncio.to_thread(serving_at, environ):
            return Finding("address", True, f"a service of ours serves at {where}")
        return Finding("address", False, str(error))


async def _of_redis(settings: Settings) -> list[Finding]:
    keyring = Keyring(settings.service.secret.reveal())
    try:
        async with open_database(settings.redis) as database:
            lossy = settings.redis.allow_no_persistence
            problems = await obstacles(
                database, keyring, settings.applications, allow_no_persistence=lossy, patience=DOCTOR_SECONDS
            )
            if problems:
                return [Finding("redis", False, problem.removeprefix("redis: ")) for problem in problems]
            keeps = "keeps its data" if await is_persistent(database) else "keeps nothing over a restart, as allowed"
            found = [Finding("redis", True, f"{database.where} answers, {keeps}, evicts nothing")]
            if clock := await own_clock(database):
                found.append(Finding("clock", False, f"of this host: {clock}"))
            records = await GatewayStore(database).read(list(settings.gateways))
            for record in (record for record in records.values() if record.circuit != "closed"):
                state = "is being tried again" if record.circuit == "half_open" else "is left alone"
                found.append(Finding(f"{record.name} circuit", False, f"{state} because of {record.reason}"))
            return found
    except WrongRedisError:
        raise
    except OtpError as error:
        return [Finding("redis", False, str(error).removeprefix("redis: "))]


async def _of_gateway(settings: Settings, name: str, gateway: Gateway) -> list[Finding]:
    """One line for each cause: three questions that hear the same refusal are one problem."""
    try:
        told = await gateway.examine()
        if isinstance(gateway, TakesCallbacks) and (
            pushed := await gateway.examine_callback(settings.service.public_url)
        ):
            told.append(pushed)
    finally:
        await gateway.close()
    found: list[Finding] = []
    refused: dict[str, list[str]] = {}
    for finding in told:
        if finding.reason is None:
            found.append(Finding(f"{name} {finding.name}", finding.ok, finding.text))
        else:
            refused.setdefault(_advice(name, settings.gateways[name], finding), []).append(finding.name)
    return found + [Finding(f"{name} {', '.join(asked)}", False, advice) for advice, asked in refused.items()]


def _advice(name: str, table: Mapping[str, Any], finding: Finding) -> str:
    """What to do about a question that a gateway did not answer."""
    address = urlsplit(str(table.get("base_url", ""))).netloc
    match finding.reason:
        case Reason.CREDENTIALS:
            pair = "api_key or api_password" if "api_key" in table else "login or password"
            return f"{pair} of [gateways.{name}] is wrong (credentials)"
        case Reason.UNREACHABLE:
            return f"no connection to {address} (unreachable): check base_url of [gateways.{name}], DNS and firewall"
        case Reason.TIMEOUT:
            return f"{address} took too long to answer (timeout): try again; if it stays, ask the provider"
        case Reason.BROKEN_ANSWER:
            return f"what answers at {address} is not this gateway (broken_answer): check base_url of [gateways.{name}]"
        case _:
            return finding.text
