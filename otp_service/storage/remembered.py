"""The values that limits counted a start by, kept with the verification, so that later sends are counted by the
same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BY = "by:"
_PREFIX = BY.encode()


def to_remember(pseudonyms: Mapping[str, str], words: Iterable[str]) -> dict[str, str]:
    """Fields of the record for those words that have a stand-in."""
    return {f"{BY}{word}": pseudonyms[word] for word in words if word in pseudonyms}


def counted_by(record: Mapping[bytes, bytes]) -> dict[str, str]:
    """The words and stand-ins of a record."""
    return {name[len(_PREFIX) :].decode(): record[name].decode() for name in record if name.startswith(_PREFIX)}
