"""Reading an origin-bound one-time code as a browser does: the steps of "Parsing" in WICG sms-one-time-codes."""

from __future__ import annotations

from dataclasses import dataclass

WHITESPACE = "\t\n\f\r "


@dataclass(frozen=True)
class OriginBound:
    host: str
    embedded: str | None
    code: str


def parse(message: str) -> OriginBound | None:
    """None is the specification's "failure"."""
    line = message.replace("\r\n", "\n").replace("\r", "\n").split("\n")[-1]
    host, position = _token(line, 0, "@")
    if host is None or line[position : position + 1] != " ":
        return None
    code, position = _token(line, position + 1, "#")
    if code is None:
        return None
    embedded = None
    if line[position : position + 1] == " ":
        embedded, _ = _token(line, position + 1, "%")
    return OriginBound(host, embedded, code)


def _token(line: str, position: int, marker: str) -> tuple[str | None, int]:
    if line[position : position + 1] != marker:
        return None, position
    start = end = position + 1
    while end < len(line) and line[end] not in WHITESPACE:
        end += 1
    return line[start:end] or None, end
