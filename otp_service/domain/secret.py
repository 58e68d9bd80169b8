"""A value that must not be shown."""

from __future__ import annotations


class Secret:
    """A credential. Printing, formatting or logging it shows nothing; `reveal()` is easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class Secrets:
    """One secret or, during a rotation, several: the first is in use, the others are still understood."""

    __slots__ = ("values",)

    def __init__(self, *values: Secret) -> None:
        self.values = values

    def reveal(self) -> tuple[str, ...]:
        return tuple(secret.reveal() for secret in self.values)

    def __repr__(self) -> str:
        return f"Secrets({len(self.values)})"
