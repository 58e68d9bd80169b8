"""What a command is: words, arguments, a function, the fields it tells."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Literal, TypeVar

from otp_service.domain.value import Value

T = TypeVar("T")

Interface = Literal["xml", "get", "json", "smska"]


class Argument(Value):
    """As argparse takes it."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


class Command(Value):
    """words: after `targetsms` or `smska`. function: `module.name` in this package. fields: of each row that it tells,
    names for scripts and, in capitals, for people. question: asked before anything happens, "" for what changes
    nothing; `{name}` is an argument.
    """

    words: str
    help: str
    function: str
    fields: str
    arguments: tuple[Argument, ...] = ()
    question: str = ""
    interface: Interface = "xml"


def argument(*names: str, **options: Any) -> Argument:
    return Argument(names, options)


def moment(text: str) -> datetime:
    """For argparse: without an offset the account's time is meant, so the value may be naive."""
    return _read(datetime.fromisoformat, text, "a time such as 2026-01-31T12:00")


def day(text: str) -> date:
    return _read(date.fromisoformat, text, "a day such as 2026-01-31")


def clock(text: str) -> time:
    return _read(time.fromisoformat, text, "a time of day such as 09:30")


def whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number up to 999999")
    return int(text)


def positive(text: str) -> int:
    if whole(text) == 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def decimal_digits(text: str) -> str:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 18 digits")
    return text


def _read(reader: Callable[[str], T], text: str, wanted: str) -> T:
    try:
        return reader(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None
