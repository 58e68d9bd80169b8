"""Functions of commands for what an account keeps: stop list, schedule, templates, bases, subscribers, registry."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from otp_service.cli.accounts.opening import SECONDS, Account
from otp_service.cli.accounts.output import Output
from otp_service.errors import SettingsError
from otp_service.gateways.targetsms.cabinet import bases, sender_registry, subscribers, templates
from otp_service.gateways.targetsms.cabinet.sender_registry import Operator
from otp_service.gateways.targetsms.xml import scheduled
from otp_service.gateways.targetsms.xml import stop_list as stops
from otp_service.gateways.targetsms.xml.answers import Done, Edited, Page

GOOD = (Done.INSERT, Done.ADD, Done.EDIT, Done.DELETE)


async def stop_list(account: Account, _: Namespace) -> Output:
    return Output([{"phone": phone} for phone in await stops.stop_list(account.xml, seconds=SECONDS)])


async def add_stops(account: Account, given: Namespace) -> Output:
    return _edited("phone", given.phone, await stops.edit_stop_list(account.xml, add=given.phone, seconds=SECONDS))


async def remove_stops(account: Account, given: Namespace) -> Output:
    return _edited("phone", given.phone, await stops.edit_stop_list(account.xml, delete=given.phone, seconds=SECONDS))


async def scheduled_messages(account: Account, given: Namespace) -> Output:
    return await _pages(given, lambda page: scheduled.scheduled(account.xml, page, account.zone, seconds=SECONDS))


async def delete_scheduled(account: Account, given: Namespace) -> Output:
    return _edited("id", given.id, await scheduled.delete_all(account.xml, given.id, seconds=SECONDS))


async def all_templates(account: Account, _: Namespace) -> Output:
    return Output(await templates.templates(account.xml, seconds=SECONDS))


async def add_template(account: Account, given: Namespace) -> Output:
    new = templates.Template("", given.name, given.text)
    return _edited("id", [""], await templates.edit_templates(account.xml, [new], seconds=SECONDS))


async def edit_template(account: Account, given: Namespace) -> Output:
    """X22 takes an entry as a whole, so what is not given is read first."""
    kept = await templates.templates(account.xml, seconds=SECONDS)
    changed = [_changed(each, given, "name", "text") for each in kept if each.id == given.id]
    if not changed:
        return _not_found(given.id)
    return _edited("id", [given.id], await templates.edit_templates(account.xml, changed, seconds=SECONDS))


async def delete_templates(account: Account, given: Namespace) -> Output:
    return _edited("id", given.id, await templates.edit_templates(account.xml, delete=given.id, seconds=SECONDS))


async def all_bases(account: Account, _: Namespace) -> Output:
    return Output(await bases.bases(account.xml, seconds=SECONDS))


BASE_FIELDS = (
    "name",
    "greeting_text",
    "greeting_time",
    "greeting_sender",
    "greeting_on",
    "local_time",
    "days_before",
)


async def add_base(account: Account, given: Namespace) -> Output:
    new = _changed(bases.Base("", given.name), given, *BASE_FIELDS)
    return _edited("id", [""], await bases.edit_bases(account.xml, [new], seconds=SECONDS))


async def edit_base(account: Account, given: Namespace) -> Output:
    """X11 takes an entry as a whole, so what is not given is read first."""
    kept = await bases.bases(account.xml, seconds=SECONDS)
    changed = [_changed(each, given, *BASE_FIELDS) for each in kept if each.id == given.id]
    if not changed:
        return _not_found(given.id)
    return _edited("id", [given.id], await bases.edit_bases(account.xml, changed, seconds=SECONDS))


async def delete_bases(account: Account, given: Namespace) -> Output:
    return _edited("id", given.id, await bases.edit_bases(account.xml, delete=given.id, seconds=SECONDS))


async def all_subscribers(account: Account, given: Namespace) -> Output:
    def one(page: int) -> Awaitable[Page[subscribers.Subscriber]]:
        return subscribers.subscribers(account.xml, given.base, page, given.since, account.zone, seconds=SECONDS)

    return await _pages(given, one)


async def edit_subscriber(account: Account, given: Namespace) -> Output:
    wanted = subscribers.Subscriber(
        given.phone,
        given.region,
        given.operator,
        given.name,
        given.surname,
        given.patronymic,
        given.born,
        subscribers.Gender(given.gender or "unknown"),
        tuple(given.addition[:5]),
    )
    found = await subscribers.edit_subscribers(account.xml, given.base, [wanted], seconds=SECONDS)
    return _edited("phone", [given.phone], found)


async def import_subscribers(account: Account, given: Namespace) -> Output:
    """X13 with many at once, in one request."""
    wanted = [_subscriber(account, row, number) for number, row in enumerate(_rows_of(given.file), start=1)]
    found = await subscribers.edit_subscribers(account.xml, given.base, wanted, seconds=SECONDS)
    return _edited("phone", [each.phone for each in wanted], found)


def _rows_of(file: str) -> list[Any]:
    """Raises `SettingsError`, which repeats nothing of the contents."""
    try:
        rows = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise SettingsError(f"{file}: is not JSON in UTF-8") from None
    if not isinstance(rows, list) or not rows:
        raise SettingsError(f"{file}: must be a JSON list of contacts, as `subscribers list --json` prints it")
    return rows


def _subscriber(account: Account, row: Any, number: int) -> subscribers.Subscriber:
    """Raises `SettingsError` naming the entry."""
    texts = ("phone", "region", "operator", "name", "surname", "patronymic", "gender", "born", "changed_at")
    if not isinstance(row, dict) or not row.get("phone"):
        raise SettingsError(f"contact {number}: must be an object with a phone")
    given = {name: row[name] for name in texts if row.get(name) is not None}
    additions = row.get("additions") or []
    if unknown := row.keys() - {*texts, "additions"}:
        raise SettingsError(
            f"contact {number}: has an unknown field, {sorted(unknown)[0]!r}; known are {', '.join(texts)}"
        )
    if not all(isinstance(each, str) for each in (*given.values(), *additions)) or not isinstance(additions, list):
        raise SettingsError(f"contact {number}: every field is a text, `additions` a list of texts")
    try:
        born = date.fromisoformat(given["born"]) if given.get("born") else None
    except ValueError:
        raise SettingsError(f"contact {number}: born must be YYYY-MM-DD") from None
    return subscribers.Subscriber(
        account.e164(given["phone"]),
        given.get("region", ""),
        given.get("operator", ""),
        given.get("name", ""),
        given.get("surname", ""),
        given.get("patronymic", ""),
        born,
        subscribers.Gender(given.get("gender", "unknown")),
        tuple(additions[:5]),
    )


async def delete_subscribers(account: Account, given: Namespace) -> Output:
    found = await subscribers.edit_subscribers(account.xml, given.base, delete=given.phone, seconds=SECONDS)
    return _edited("phone", given.phone, found)


async def whole_registry(account: Account, given: Namespace) -> Output:
    found = await sender_registry.registry(account.xml, _operator(given), given.sender, given.inn, seconds=SECONDS)
    return Output(found)


async def add_registered(account: Account, given: Namespace) -> Output:
    wanted = sender_registry.Application(
        given.sender, Operator(given.operator), given.legal_entity, given.inn, given.comment
    )
    return _entered(await sender_registry.edit_registry(account.xml, [wanted], seconds=SECONDS))


async def delete_registered(account: Account, given: Namespace) -> Output:
    unwanted = [(given.sender, _operator(given))]
    return _entered(await sender_registry.edit_registry(account.xml, delete=unwanted, seconds=SECONDS))


def _operator(given: Namespace) -> Operator | None:
    return Operator(given.operator) if given.operator else None


def _changed(entry: Any, given: Namespace, *names: str) -> Any:
    return replace(entry, **{name: getattr(given, name) for name in names if getattr(given, name) is not None})


def _edited(key: str, asked: Sequence[str], found: Sequence[Edited]) -> Output:
    """Good only if every entry asked for was done; an entry may be answered under its new id."""
    rows = [{key: each.key, "done": each.done} for each in found]
    return Output(rows, len(found) >= len(set(asked)) and all(each.done in GOOD for each in found))


def _not_found(wanted: str) -> Output:
    return Output([{"id": wanted, "done": Done.NOT_FOUND}], ok=False)


def _entered(found: Sequence[sender_registry.Entered]) -> Output:
    return Output(found, bool(found) and all(each.done in GOOD for each in found))


async def _pages(given: Namespace, ask: Callable[[int], Awaitable[Page[Any]]]) -> Output:
    """The page that is wanted, or all: the gateway gives one at a time."""
    page = await ask(given.page or 1)
    items, last = list(page.items), page.pages if given.page is None else 0
    for number in range(2, last + 1):
        items += (await ask(number)).items
    return Output(items, note=f"page {page.number} of {page.pages}" if given.page else "")
