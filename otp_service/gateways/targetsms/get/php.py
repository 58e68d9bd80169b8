"""A strict reader of what PHP's serialize() writes: arrays and plain values, never objects (G3, security.md A16)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypeAlias

MAX_BYTES = 16 * 1024
MAX_DEPTH = 4

Value: TypeAlias = "dict[str | int, Value] | str | int | Decimal | bool | None"

_PLAIN = re.compile(rb"i:(-?[0-9]{1,19});|d:(-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:E[+-]?[0-9]{1,2})?);|b:([01]);|N;")
_STRING = re.compile(rb's:([0-9]{1,5}):"')
_ARRAY = re.compile(rb"a:([0-9]{1,4}):\{")


class PhpError(ValueError):
    """Not what serialize() writes, or a kind of value that is refused."""


def read(data: bytes) -> Value:
    """The value: `a` as a dict, `s` (UTF-8), `i`, `d` (a Decimal), `b`, `N`. Lengths count bytes and must be right.

    Raises `PhpError`, also for objects and references (`O`, `C`, `R`, `r`), more than `MAX_BYTES`, arrays nested
    deeper than `MAX_DEPTH`, and anything after the value.
    """
    if len(data) > MAX_BYTES:
        raise PhpError("too long")
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.position != len(data):
        raise PhpError("something follows the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self, depth_left: int) -> Value:
        if size := self._take(_ARRAY):
            if depth_left == 0:
                raise PhpError("nested too deep")
            array: dict[str | int, Value] = {}
            for _ in range(int(size[1])):
                key = self.value(0)
                if isinstance(key, bool) or not isinstance(key, str | int):
                    raise PhpError("a key is neither a string nor an integer")
                array[key] = self.value(depth_left - 1)
            self._expect(b"}")
            return array
        if size := self._take(_STRING):
            found = self._data[self.position : self.position + int(size[1])]
            self.position += int(size[1])
            self._expect(b'";')
            try:
                return found.decode("utf-8")
            except UnicodeDecodeError:
                raise PhpError("a string is not UTF-8") from None
        plain = self._take(_PLAIN)
        if plain is None:
            raise PhpError("no value of a known kind")
        integer, decimal, boolean = plain.groups()
        if integer is not None:
            return int(integer)
        if decimal is not None:
            return Decimal(decimal.decode())
        return None if boolean is None else boolean == b"1"

    def _take(self, form: re.Pattern[bytes]) -> re.Match[bytes] | None:
        found = form.match(self._data, self.position)
        if found:
            self.position = found.end()
        return found

    def _expect(self, literal: bytes) -> None:
        if not self._data.startswith(literal, self.position):
            raise PhpError(f"{literal.decode()} is missing")
        self.position += len(literal)
