"""What a command puts out: readable tables, JSON for scripts, sentences for what a gateway refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from otp_service.cli.printer import table
from otp_service.domain.reasons import Reason
from otp_service.domain.value import Value
from otp_service.gateways.base import GatewayError, Then
from otp_service.visible import visible

WIDEST = 60
"""Characters of a cell before the last of its row; JSON cuts nothing."""

REASONS = {
    Reason.INVALID_NUMBER: "it does not take this number",
    Reason.STOP_LIST: "the number is on the stop list",
    Reason.DIRECTION_CLOSED: "it does not send to this direction",
    Reason.CREDENTIALS: "login or password is wrong",
    Reason.ACCOUNT_BLOCKED: "the account is blocked",
    Reason.FUNDS: "the account has no money left for it",
    Reason.GATEWAY_EXHAUSTED: "the provider itself has run out of SMS",
    Reason.SENDER: "this sender may not be used",
    Reason.CONTENT: "the text was refused",
    Reason.BAD_REQUEST: "it did not accept the request",
    Reason.THROTTLED: "too many requests: an identical one passes once a minute",
    Reason.UNREACHABLE: "no connection was made",
    Reason.TIMEOUT: "no answer came in time",
    Reason.BROKEN_ANSWER: "the answer is cut, over 256 KiB, or not what the document describes",
    Reason.NOT_SENT: "it says that nothing was sent",
    Reason.UNKNOWN_ERROR: "it refused with a text that no document lists",
}


class Output(Value):
    """Of a command. rows: one object, or several. ok: whether everything asked for was found and done; else the exit
    code is 1. note: for people alone. code: the exit code where all is well and yet not as usual.
    """

    rows: Mapping[str, Any] | Sequence[Any]
    ok: bool = True
    note: str = ""
    code: int = 0


def explanation(error: GatewayError) -> str:
    """A sentence of ours, with that of the document where the answer is listed there, else the provider's own words."""
    said = error.text or error.words
    return REASONS[error.reason] + (f" («{said}»)" if said else "")


def unclear(error: GatewayError) -> bool:
    return error.then is Then.UNCLEAR


def as_json(told: Output, fields: Sequence[str]) -> str:
    rows = told.rows
    found = _picked(rows, fields) if isinstance(rows, Mapping) else [_picked(row, fields) for row in rows]
    return visible(json.dumps(found, ensure_ascii=False, default=_plain))


def as_text(told: Output, fields: Sequence[str]) -> str:
    """One object: a line for each field. Several: a table without the columns that are empty in all rows."""
    if isinstance(told.rows, Mapping):
        pairs = [(name, told.rows[name]) for name in fields]
        lines = [
            line
            for name, value in pairs
            for line in (
                [(f"{name} {key}", each) for key, each in value.items()]
                if isinstance(value, Mapping)
                else [(name, value)]
            )
        ]
        return _aligned([[_cell(name), _cell(value)] for name, value in lines])
    rows = [_picked(row, fields) for row in told.rows]
    if not rows:
        return "Nothing was found."
    shown = [name for name in fields if any(_cell(row[name]) for row in rows)]
    return _aligned([[name.upper() for name in shown], *([_cell(row[name]) for name in shown] for row in rows)])


def _picked(row: Any, fields: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] if isinstance(row, Mapping) else getattr(row, name) for name in fields}


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    return table([*map(_shortened, row[:-1]), row[-1]] for row in rows)


def _shortened(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        value = ", ".join(str(each) for each in value if each)
    text = "" if value is None else str(_plain(value))
    return "".join(char if char.isprintable() else " " for char in text)


def _plain(value: Any) -> Any:
    """Times in ISO 8601, money as exact text."""
    if isinstance(value, date | time):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value
