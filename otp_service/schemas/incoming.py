"""Request bodies: how their fields are read, and what a caller is told of those that are wrong.

A type of a field says in its `Meta(extra=rule(…))` in which words it is asked for and, where people type it, how it is
read.
The framework's own messages name types and patterns and stop at the first field; nobody is shown them.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from litestar.params import KwargDefinition
from litestar.typing import FieldDefinition
from msgspec import Meta

from otp_service.domain.value import Value

MOST_TOLD = 50
"""Fields of one body that are told of."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""What a caller wrote is repeated only where it is as harmless as this."""

Read = Callable[[str], str]
Wrong = tuple[str, str]
"""A field, as in `client.ip` or `rows[3].secret`, and what it has to be."""


class Rule(Value):
    """sentence: what a field must be, with an example. read: what becomes of its text; raises ValueError.

    may_be: whether a text can be right at all, for a field that is judged later and refused with a code of its own.
    """

    sentence: str
    read: Read | None = None
    may_be: Callable[[str], bool] | None = None


def rule(sentence: str, read: Read | None = None, *, may_be: Callable[[str], bool] | None = None) -> dict[str, Any]:
    """For `Meta(extra=…)`."""
    return {"rule": Rule(sentence, read, may_be)}


class Incoming(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request body. Unknown fields are refused, so that a misspelt one is not silently lost."""

    def __post_init__(self) -> None:
        for name, read in _readers(type(self)):
            if (value := getattr(self, name)) is not None:
                setattr(self, name, read(value))


def wrong_fields(kind: Any, data: Any) -> list[dict[str, str]]:
    """All that is wrong with a decoded body, as the members of a problem. kind: what the route takes."""
    found = list(islice(_wrong(kind, data, ""), MOST_TOLD))
    return [{"field": field or "body", "message": message} for field, message in found]


def wrong_parameter(wanted: FieldDefinition | None) -> str:
    """What a parameter of the path, the query or the head must be."""
    if wanted is None:
        return "is not understood"
    words = get_args(wanted.annotation) if get_origin(wanted.annotation) is Literal else ()
    bounds = wanted.kwarg_definition
    if words:
        return one_of(words)
    if wanted.annotation is int and isinstance(bounds, KwargDefinition):
        return f"must be a whole number from {bounds.ge} to {bounds.le}"
    said = (bounds.description or "") if isinstance(bounds, KwargDefinition) else ""
    return f"is not understood; it is: {said.rstrip('.')}"


def one_of(words: Sequence[Any]) -> str:
    return "must be " + " or ".join(f"`{word}`" for word in words)


def _wrong(kind: Any, value: Any, where: str) -> Iterator[Wrong]:
    """kind: a type as it is written, with all that annotates it."""
    options = _options(kind)
    if value is None and type(None) in options:
        return
    wanted, inside = rule_of(kind), False
    for option in options:
        bare = get_args(option)[0] if get_origin(option) is Annotated else option
        if isinstance(bare, type) and issubclass(bare, Incoming):
            yield from _wrong_members(bare, value, where)
            return
        if get_origin(bare) is dict and isinstance(value, dict) and value:
            for wrong in _wrong_words(get_args(bare), value, where):
                inside = True
                yield wrong
        elif get_origin(bare) is list and isinstance(value, list):
            for number, item in enumerate(value):
                for wrong in _wrong(get_args(bare)[0], item, f"{where}[{number}]"):
                    inside = True
                    yield wrong
    if not inside and not _is_right(kind, wanted, value):
        yield where, wanted.sentence


def _is_right(kind: Any, wanted: Rule, value: Any) -> bool:
    try:
        found = msgspec.convert(value, kind)
        if wanted.read:
            wanted.read(found)
    except (msgspec.ValidationError, ValueError):
        return False
    return wanted.may_be is None or wanted.may_be(found)


def _wrong_members(kind: type[Incoming], value: Any, where: str) -> Iterator[Wrong]:
    if not isinstance(value, dict):
        yield where, "must be a JSON object, as in {…}"
        return
    inside = f"{where}." if where else ""
    hints = _hints(kind)
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            yield from _wrong(hints[field.name], value[field.name], inside + field.name)
        elif field.required:
            yield inside + field.name, f"is missing; it {rule_of(hints[field.name]).sentence}"
    for name in value.keys() - hints.keys():
        if _NAME.fullmatch(name):
            yield inside + name, "there is no such field"
        else:
            yield where, "has an unknown field"


def _wrong_words(of: tuple[Any, ...], value: Mapping[str, Any], where: str) -> Iterator[Wrong]:
    """Of an object whose names are the caller's own. of: its names, and their values."""
    name, kind = of
    for word, item in value.items():
        if any(_wrong(name, word, where)):
            yield where, f"has a name that {rule_of(name).sentence}"
        else:
            yield from _wrong(kind, item, f"{where}.{word}")


def _options(kind: Any) -> Sequence[Any]:
    return get_args(kind) if get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def rule_of(kind: Any) -> Rule:
    """What a type says of itself."""
    for option in _options(kind):
        if get_origin(option) is Annotated:
            for meta in reversed(option.__metadata__):
                if isinstance(meta, Meta) and meta.extra:
                    found: Rule = meta.extra["rule"]
                    return found
            option = get_args(option)[0]
        if get_origin(option) is Literal:
            return Rule(one_of(get_args(option)))
        if isinstance(option, type) and issubclass(option, Incoming):
            return Rule("must be a JSON object, as in {…}")
    return Rule("is not understood")


@cache
def _hints(kind: type[Incoming]) -> Mapping[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


@cache
def _readers(kind: type[Incoming]) -> Sequence[tuple[str, Read]]:
    return [(name, read) for name, hint in _hints(kind).items() if (read := rule_of(hint).read)]
