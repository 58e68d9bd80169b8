"""What a client keeps at the gateway besides money and messages («личный кабинет»): X8, X10–X13, X18, X21–X24."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

RegistryStatus = Literal[
    "posted_for_approval", "send_for_approval", "approval", "not_approval", "send_for_delete", "delete"
]
"""X23."""


@dataclass(slots=True)
class Subscriber:
    """fields: the attributes of X12 but for `phone` and `last_update`; male is m, f or nothing. updated_at: UTC."""

    fields: dict[str, str]
    updated_at: datetime


@dataclass(slots=True)
class Base:
    """fields: the attributes of X10 but for `id_base`. updated_at: UTC, of the base or any subscriber (X18)."""

    fields: dict[str, str]
    text: str
    updated_at: datetime
    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    """By phone."""


@dataclass(frozen=True, slots=True)
class Pattern:
    name: str
    text: str


@dataclass(slots=True)
class RegistryEntry:
    """A sender name at one operator. date_from: `YYYY-MM-DD`, the day it was posted (ours)."""

    date_from: str
    legal_entity: str
    inn: str
    comment: str
    status: RegistryStatus = "posted_for_approval"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An SMS from a subscriber (X8). originator: who wrote. phone: the number written to. received_at: UTC."""

    id: str
    received_at: datetime
    originator: str
    prefix: str
    phone: str
    text: str


@dataclass(slots=True)
class Cabinet:
    bases: dict[str, Base] = field(default_factory=dict)
    patterns: dict[str, Pattern] = field(default_factory=dict)
    registry: dict[tuple[str, str], RegistryEntry] = field(default_factory=dict)
    """By operator and originator."""
    incoming: list[Incoming] = field(default_factory=list)
    stop_list_changed_at: datetime | None = None
