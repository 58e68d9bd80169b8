"""The command line of the accounts, made of the table."""

from __future__ import annotations

import argparse
from typing import Any

from otp_service.cli.accounts.command import Command
from otp_service.cli.accounts.table import SMSKA, TARGETSMS

FAMILIES = {
    "targetsms": ("an account at TargetSMS: balance, states, lists, sending", TARGETSMS),
    "smska": ("an account at sms-ka: balance, status, sending", SMSKA),
}


def add_families(commands: Any) -> None:
    """commands: what `add_subparsers` gave."""
    for family, (about, table) in FAMILIES.items():
        found = commands.add_parser(family, help=about)
        found.set_defaults(module="accounts.running")
        actions = found.add_subparsers(dest="action", required=True, metavar="ACTION")
        groups: dict[str, Any] = {}
        for command in table:
            first, _, second = command.words.partition(" ")
            if not second:
                _add_arguments(actions.add_parser(first, help=command.help), command)
                continue
            if first not in groups:
                about = ", ".join(each.words.split()[1] for each in table if each.words.startswith(f"{first} "))
                group = actions.add_parser(first, help=about)
                groups[first] = group.add_subparsers(dest="second", required=True, metavar="ACTION")
            _add_arguments(groups[first].add_parser(second, help=command.help), command)


def _add_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.set_defaults(chosen=command)
    for each in command.arguments:
        parser.add_argument(*each.names, **each.options)
    parser.add_argument(
        "--gateway", default="", help="name of the gateway in the settings (default: the first that fits)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    if command.question:
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
