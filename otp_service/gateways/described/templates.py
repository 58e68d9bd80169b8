"""Texts with `{placeholders}`, filled in and made fit for the place where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote

from otp_service.domain.reasons import Reason
from otp_service.domain.value import Value
from otp_service.errors import SettingsError
from otp_service.gateways.base import GatewayError, Then

_PIECE = re.compile(r"\{\{|\}\}|\{([a-z_]{1,32}(?:\.[a-z0-9_]{1,32})?)(:int)?\}|[{}]|[^{}]+")

Values = Mapping[str, str]
Escape = Callable[[str], str]


class Template(Value):
    """pieces: fixed texts, and names in a tuple of one. as_number: the whole is one placeholder that is a number."""

    pieces: tuple[str | tuple[str], ...]
    as_number: bool = False

    @property
    def names(self) -> set[str]:
        return {piece[0] for piece in self.pieces if isinstance(piece, tuple)}

    def fill(self, values: Values, escape: Escape = str) -> str:
        """The text with each value escaped; what is fixed stays as it was written."""
        return "".join(escape(values[piece[0]]) if isinstance(piece, tuple) else piece for piece in self.pieces)

    def fill_number(self, values: Values) -> str | int:
        """As `fill`, or the number that it stands for."""
        text = self.fill(values)
        return int(text) if self.as_number and re.fullmatch("-?[0-9]{1,15}", text) else text


def parse(written: str, known: Collection[str], where: str) -> Template:
    """A template. known: the names that may stand in it. Raises `SettingsError` naming `where`."""
    pieces: list[str | tuple[str]] = []
    as_number = False
    for found in _PIECE.finditer(written):
        name = found[1]
        if name is None:
            if found[0] in ("{", "}"):
                raise SettingsError(f"{where}: a lone {found[0]!r}; a brace that is meant as such is written twice")
            pieces.append({"{{": "{", "}}": "}"}.get(found[0], found[0]))
            continue
        if name not in known:
            listed = ", ".join(f"{{{each}}}" for each in sorted(known))
            raise SettingsError(f"{where}: there is no {{{name}}} here; there are: {listed or 'none'}")
        as_number |= bool(found[2])
        pieces.append((name,))
    if as_number and len(pieces) > 1:
        raise SettingsError(f"{where}: a number, {{…:int}}, must be the whole of a text")
    return Template(tuple(pieces), as_number)


class Tree(Value):
    """A JSON document whose texts are templates."""

    written: Any
    templates: dict[str, Template]
    """By the text as it was written."""

    @property
    def names(self) -> set[str]:
        return set().union(*(template.names for template in self.templates.values()))

    def fill(self, values: Values) -> Any:
        return self._filled(self.written, values)

    def _filled(self, item: Any, values: Values) -> Any:
        if isinstance(item, Mapping):
            return {name: self._filled(value, values) for name, value in item.items()}
        if isinstance(item, list | tuple):
            return [self._filled(value, values) for value in item]
        return self.templates[item].fill_number(values) if isinstance(item, str) else item


def parse_tree(written: Any, known: Collection[str], where: str) -> Tree:
    """Keys are fixed. Raises `SettingsError` naming `where` and the key."""
    templates: dict[str, Template] = {}

    def collect(item: Any, at: str) -> None:
        if isinstance(item, Mapping):
            for name, value in item.items():
                collect(value, f"{at}.{name}")
        elif isinstance(item, list | tuple):
            for number, value in enumerate(item):
                collect(value, f"{at}[{number}]")
        elif isinstance(item, str):
            templates[item] = parse(item, known, at)

    collect(written, where)
    return Tree(written, templates)


def in_url(value: str) -> str:
    """For one segment of a path, or one value of a query."""
    return quote(value, safe="", errors="replace")


def in_header(value: str) -> str:
    """Raises `GatewayError` BAD_REQUEST for what would end the header or has no place in one."""
    if not value.isascii() or not value.isprintable():
        raise GatewayError(Reason.BAD_REQUEST, Then.NEXT)
    return value
