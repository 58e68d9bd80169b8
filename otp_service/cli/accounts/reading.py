"""Functions of commands that ask: balance, states, clock, numbers, incoming SMS, statistics, callback address."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from otp_service.cli.accounts.opening import SECONDS, Account
from otp_service.cli.accounts.output import Output, explanation
from otp_service.errors import SettingsError
from otp_service.gateways.base import Delivery, GatewayError
from otp_service.gateways.smska import api as k
from otp_service.gateways.targetsms.cabinet import changes, incoming, statistics
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.json import cascade_states
from otp_service.gateways.targetsms.times import moment_of
from otp_service.gateways.targetsms.xml import account, callback, number_info, states

Ask = Callable[[str], Awaitable[Delivery | None]]


async def balance(at: Account, _: Namespace) -> Output:
    return _balance(await account.balance(at.xml, seconds=SECONDS))


async def get_balance(at: Account, _: Namespace) -> Output:
    return _balance(await operations.balance(at.get, seconds=SECONDS))


async def smska_balance(at: Account, _: Namespace) -> Output:
    return Output({"sms_parts": await k.balance(at.smska, seconds=SECONDS)})


async def senders(at: Account, _: Namespace) -> Output:
    found = await account.senders(at.xml, seconds=SECONDS)
    return Output({"any_sender": found.any_sender, "senders": found.states})


async def message_states(at: Account, given: Namespace) -> Output:
    found = {each.provider_id: each for each in await states.ask(at.xml, given.id, seconds=SECONDS)}
    return _rows_by_id(at, given.id, found, DELIVERY)


async def get_states(at: Account, given: Namespace) -> Output:
    ask = operations.state if given.plain else operations.detailed_state
    return await _one_by_one(at, given.id, lambda each: ask(at.get, each, seconds=SECONDS))


async def smska_states(at: Account, given: Namespace) -> Output:
    return await _one_by_one(at, given.id, lambda each: k.status(at.smska, each, seconds=SECONDS))


async def viber_states(at: Account, given: Namespace) -> Output:
    found = {each.provider_id: each for each in await cascade_states.ask(at.json, given.id, seconds=SECONDS)}
    names = ("status", "changed_at", "viber", "sms", "sms_parts", "viber_price", "sms_price")
    return _rows_by_id(at, given.id, found, names)


async def clock(at: Account, _: Namespace) -> Output:
    now = datetime.now(at.zone)
    ahead = await account.clock_error(at.xml, now.replace(tzinfo=None), seconds=SECONDS)
    told = (now + ahead).replace(tzinfo=None, microsecond=0)
    return Output({"time_zone": at.zone.key, "time": told, "ahead_seconds": round(ahead.total_seconds())})


async def about_numbers(at: Account, given: Namespace) -> Output:
    found = await number_info.look_up(at.xml, given.phone, seconds=SECONDS)
    return Output(found, {each.phone for each in found} >= set(given.phone))


async def received(at: Account, given: Namespace) -> Output:
    since = given.since or datetime.now(UTC) - timedelta(days=1)
    return Output(await incoming.incoming(at.xml, since, given.until, at.zone, seconds=SECONDS))


async def last_change(at: Account, given: Namespace) -> Output:
    thing = changes.Thing.BASE if given.base else changes.Thing.STOP_LIST
    changed_at = await changes.changed_at(at.xml, thing, given.base, at.zone, seconds=SECONDS)
    return Output({"thing": "base" if given.base else "stop-list", "id": given.base, "changed_at": changed_at})


async def stats(at: Account, given: Namespace) -> Output:
    wanted = statistics.Filter(
        getattr(given, "from"),
        given.to,
        statistics.FinalState(given.state) if given.state else None,
        given.sender,
        given.phone,
        given.operator,
        given.since,
        given.until,
    )
    found = await statistics.statistics(at.xml, wanted, at.zone, seconds=SECONDS)
    return Output(found.rows, note=f"{found.total} SMS by the gateway's count")


async def callback_address(at: Account, _: Namespace) -> Output:
    return _address(at, await callback.address(at.xml, seconds=SECONDS))


async def set_callback_address(at: Account, given: Namespace) -> Output:
    wanted = given.url or at.callback
    if not wanted:
        raise SettingsError(f"gateways.{at.name}.callback_token: not set; set it, or name an address with --url")
    if not wanted.startswith(("https://", "http://")):
        raise SettingsError("--url: must look like https://host/path")
    set_to = await callback.set_address(at.xml, wanted, seconds=SECONDS)
    return Output(_address(at, set_to).rows, set_to == wanted)


def _address(at: Account, url: str) -> Output:
    """Its last part opens a callback: never shown, nor is anything of what is no address."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:  # a port that is no number, brackets that do not match
        host = None
    shown = f"{parts.scheme}://{host}{parts.path.rpartition('/')[0]}/…" if host else "…" if url else ""
    return Output({"address": shown, "ours": bool(url) and url == at.callback})


def _balance(found: account.Balance) -> Output:
    return Output({"money": found.money, "currency": found.currency, "sms": found.sms})


DELIVERY = ("status", "changed_at", "parts", "price", "provider_code")


async def _one_by_one(at: Account, ids: Sequence[str], ask: Ask) -> Output:
    """One request for each id. The first failure ends it; what was learnt before is told, the rest is `not_asked`."""
    found: dict[str, Delivery | None] = {}
    note = ""
    for each in dict.fromkeys(ids):
        try:
            found[each] = await ask(each)
        except GatewayError as error:
            if not found:
                raise
            note = f"{at.name}: {explanation(error)}."
            break
    told = _rows_by_id(at, ids, {each: one for each, one in found.items() if one}, DELIVERY)
    rows = [row if row["id"] in found else row | {"status": "not_asked"} for row in told.rows if isinstance(row, dict)]
    return Output(rows, told.ok, note)


def _rows_by_id(at: Account, ids: Sequence[str], found: Mapping[str, Any], names: Sequence[str]) -> Output:
    """A row for each id, in their order; `not_found` for what the gateway does not know."""
    missing = dict.fromkeys(names) | {"status": "not_found"}
    rows = []
    for each in dict.fromkeys(ids):
        row = {name: getattr(found[each], name) for name in names} if each in found else missing
        rows.append({"id": each} | row | {"changed_at": moment_of(row["changed_at"], at.zone)})
    return Output(rows, all(each in found for each in ids))
