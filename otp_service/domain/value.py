"""What all values have in common: nobody changes them, and two that hold the same are the same."""

from __future__ import annotations

from functools import cache
from typing import Annotated, TypeVar, dataclass_transform

from msgspec import Struct, field

T = TypeVar("T")
Hidden = Annotated[T, "hidden"]
"""The type of a field that no text may show: a phone, a code, a key."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """A struct of msgspec (docs/adr/0017). Copy it with `msgspec.structs.replace`. Its repr leaves out what is
    `Hidden`."""

    def __repr__(self) -> str:
        hidden = _hidden(type(self))
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in hidden)
        return f"{type(self).__name__}({', '.join(shown)})"


@cache
def _hidden(kind: type) -> frozenset[str]:
    fields = (pair for each in kind.__mro__ for pair in getattr(each, "__annotations__", {}).items())
    return frozenset(name for name, written in fields if str(written).startswith("Hidden["))
