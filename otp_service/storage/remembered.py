"""What a verification remembers of its admission: what it is counted by, what the guard thought, if it is a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otp_service.domain.pumping import Decision

BY = "by:"
_PREFIX = BY.encode()


def to_remember(stand_ins: Mapping[str, str], words: Iterable[str]) -> dict[str, str]:
    """Fields of the record for those words that have a stand-in."""
    return {f"{BY}{word}": stand_ins[word] for word in words if word in stand_ins}


def remembered(record: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The fields of `Verification` of the same names."""
    return {
        "guard": Decision.parse(record.get(b"guard", b"").decode()),
        "test": b"test" in record,
        "counted_by": {
            name[len(_PREFIX) :].decode(): value.decode() for name, value in record.items() if name.startswith(_PREFIX)
        },
    }
