"""Carries out one command for an account: choose it, ask, do it, tell."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module

from otp_service.cli.accounts.command import Command
from otp_service.cli.accounts.opening import Account, choose
from otp_service.cli.accounts.output import Output, as_json, as_text, explanation, unclear
from otp_service.cli.development import load_for_operator
from otp_service.cli.printer import say
from otp_service.errors import SettingsError
from otp_service.gateways.base import GatewayError

Function = Callable[[Account, argparse.Namespace], Awaitable[Output]]


def main(arguments: argparse.Namespace) -> int:
    settings, command = load_for_operator(os.environ), arguments.chosen
    account = Account(settings, choose(settings, command.interface, arguments.gateway))
    _normalise(account, arguments)
    if command.question and not arguments.yes:
        if not sys.stdin.isatty():
            raise SettingsError("this changes something and asks first; without a terminal say --yes")
        words = {
            name: ", ".join(value) if isinstance(value, list) else value
            for name, value in vars(arguments).items()
            if isinstance(value, str | list)
        }
        say(f"{account.name}: {command.question.format_map(words)} [y/N] ", end="", error=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("Nothing was done.", error=True)
            return 1
    return asyncio.run(_run(account, command, arguments))


async def _run(account: Account, command: Command, arguments: argparse.Namespace) -> int:
    try:
        async with account:
            told = await function_of(command)(account, arguments)
    except GatewayError as error:
        doubt = ". It may have been done all the same: look before you repeat it" if command.question else ""
        say(f"{account.name}: {explanation(error)}{doubt if unclear(error) else ''}.", error=True)
        return 1
    fields = command.fields.split()
    say(as_json(told, fields) if arguments.json else as_text(told, fields))
    if told.note:
        say(told.note, error=True)
    return told.code if told.ok else 1


def function_of(command: Command) -> Function:
    module, _, name = command.function.partition(".")
    found: Function = getattr(import_module(f"otp_service.cli.accounts.{module}"), name)
    return found


def _normalise(account: Account, arguments: argparse.Namespace) -> None:
    """Phones and times as the functions want them: E.164, aware."""
    given = getattr(arguments, "phone", None)
    if given:
        arguments.phone = [account.e164(each) for each in given] if isinstance(given, list) else account.e164(given)
    for name in {"since", "until", "at", "valid_until"} & set(vars(arguments)):
        if hasattr(getattr(arguments, name), "date"):  # a moment, not a time of day
            setattr(arguments, name, account.aware(getattr(arguments, name)))
