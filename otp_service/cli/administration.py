"""How commands about access and records are asked for; each of them has a module of its own."""

from __future__ import annotations

import argparse
import re
from typing import Any

from otp_service.domain.networks import Network
from otp_service.domain.operators import Role
from otp_service.domain.scopes import DEFAULT_SCOPES, KeyScope

OVERLAP_SECONDS = 86_400
LEAST_OVERLAP_SECONDS = 10
"""Processes may honour a key for 5 s on what they knew of it; below that an overlap could not be kept."""
LONGEST_SECONDS = 10 * 365 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """`45s`, `30m`, `12h`, `90d`, at most ten years."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if not found or int(found[1]) * _UNITS[found[2]] > LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; write 45s, 30m, 12h or 90d")
    return int(found[1]) * _UNITS[found[2]]


def overlap(text: str) -> int:
    found = seconds(text)
    if found < LEAST_OVERLAP_SECONDS:
        raise argparse.ArgumentTypeError(f"must be {LEAST_OVERLAP_SECONDS}s or more; to end a key at once, revoke it")
    return found


def network(text: str) -> Network:
    try:
        return Network.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_administration(commands: Any) -> None:
    _add_keys(commands)
    phones = commands.add_parser(
        "phones", help="why a phone got no code; unlock one that too many wrong codes disabled"
    )
    phones.set_defaults(module="phones")
    actions = phones.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_phone(actions.add_parser("unlock", help="reset the count of wrong codes of one phone"))
    _add_phone(actions.add_parser("refusals", help="why it was refused a code in the last 24 hours"))
    _add_operators(commands)
    audit = commands.add_parser("audit", help="the audit log: who changed what")
    audit.set_defaults(module="audit")
    audit.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "export", help="print all entries, oldest first, one JSON object in a line"
    )
    statistics = commands.add_parser("statistics", help="counts by hour or day: codes sent, delivered, entered")
    statistics.set_defaults(module="statistics")
    statistics.add_argument("--application", required=True, help="an application of the settings")
    statistics.add_argument("--from", dest="start", default="", metavar="TIME", help="the first day or moment, UTC")
    statistics.add_argument(
        "--to", dest="end", default="", metavar="TIME", help="the day or moment before which to stop (default: now)"
    )
    statistics.add_argument(
        "--step",
        choices=["hour", "day"],
        default="hour",
        help="one row for each hour or day (default: hour, of the last 24; day: of the last 30)",
    )
    statistics.add_argument("--by", default="", help="gateway, channel, country, operator; several with commas between")
    statistics.add_argument("--json", action="store_true", help="print JSON, for scripts")
    erase = commands.add_parser("erase", help="delete what is stored about a phone, at its holder's request")
    erase.set_defaults(module="erase")
    _add_phone(erase)
    repair = commands.add_parser("repair", help="records in Redis that could not be read and were set aside")
    repair.set_defaults(module="repair")
    actions = repair.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="show them, oldest first").add_argument(
        "--json", action="store_true", help="print JSON, for scripts"
    )
    for name, what in (("drop", "delete it for good"), ("retry", "put it back where it was")):
        actions.add_parser(name, help=what).add_argument("id", help="as shown by `repair list`, or `all`")


def _add_operators(commands: Any) -> None:
    operators = commands.add_parser("operators", help="accounts of the console, and their roles")
    operators.set_defaults(module="operators")
    actions = operators.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make an account and print the link by which its password is set")
    add.add_argument("name", help="lower-case letters, digits and ._@-")
    add.add_argument("--role", choices=[*Role], required=True, help="what they may do")
    actions.add_parser("list", help="show all accounts")
    role = actions.add_parser("role", help="change what somebody may do; their sessions end")
    role.add_argument("name", help="as shown by `operators list`")
    role.add_argument("--role", choices=[*Role], required=True, help="what they may do from now on")
    for name, what in (
        ("reset", "take password and second factors away, end all sessions, print a new link"),
        ("unlock", "reset the counts of wrong passwords and codes"),
        ("remove", "end an account and its sessions"),
    ):
        actions.add_parser(name, help=what).add_argument("name", help="as shown by `operators list`")


def _add_phone(command: argparse.ArgumentParser) -> None:
    command.add_argument("--application", required=True, help="an application of the settings, which knows the phone")
    command.add_argument("--phone", required=True, help="with country code, for example +79161234567")


def _add_keys(commands: Any) -> None:
    keys = commands.add_parser("keys", help="make, list, rotate and revoke API keys")
    keys.set_defaults(module="keys")
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and show it once")
    create.add_argument("--application", required=True, help="the application of the settings that will use it")
    create.add_argument("--name", default="", help="a note for people, for example where it is used")
    default = ", ".join(sorted(DEFAULT_SCOPES))
    create.add_argument(
        "--scope", action="append", choices=[*KeyScope], help=f"what it may do; repeat for several (default: {default})"
    )
    create.add_argument(
        "--network", action="append", type=network, help="where it may be used from, as 10.0.0.0/8; repeat for several"
    )
    create.add_argument(
        "--expires-in",
        type=seconds,
        metavar="TIME",
        help="how long the key is valid, as 90d or 12h (default: without end)",
    )
    listing = actions.add_parser("list", help="show all keys, without their secrets")
    listing.add_argument("--json", action="store_true", help="print JSON, for scripts")
    rotate = actions.add_parser(
        "rotate", help="make a replacement key and show it once; the old key ends after an overlap"
    )
    rotate.add_argument("id", help="as shown by `keys list`")
    rotate.add_argument(
        "--overlap",
        type=overlap,
        default=OVERLAP_SECONDS,
        metavar="TIME",
        help="how long the old key goes on working (default: 1d)",
    )
    revoke = actions.add_parser("revoke", help="revoke a key; every process refuses it within 5 s")
    revoke.add_argument("id", help="as shown by `keys list`")
