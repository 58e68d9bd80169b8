"""Results. Members that the service adds later are left out, so that an older client goes on working."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a verification or delivery. price: of one part, as the gateway counts."""

    id: str
    gateway: str
    channel: str
    status: str
    sent_at: datetime | None = None
    updated_at: datetime | None = None
    ended_at: datetime | None = None
    parts: int | None = None
    price: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """What the person may send: `text` by SMS to `number`. uri opens it on a phone, qr_svg is its QR code."""

    number: str
    code: str
    text: str
    uri: str
    qr_svg: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """status: pending, approved, expired, exhausted, canceled or failed. advice: what to do where no code came.
    assurance: of an approval, `held`, or `claimed` where the person sent the code."""

    id: str
    status: str
    to: str = dataclasses.field(repr=False)
    channel: str
    purpose: str
    created_at: datetime
    expires_at: datetime
    attempts_left: int
    sends_left: int
    resend_at: datetime
    messages: tuple[Message, ...] = ()
    locale: str = ""
    reference: str | None = None
    subject: str | None = dataclasses.field(default=None, repr=False)
    operator: str | None = None
    operator_region: str | None = None
    test: bool = False
    inbound: Inbound | None = None
    assurance: str | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """outcome: approved, wrong_code, already_approved, expired, exhausted, canceled or failed. Act on `approved`."""

    id: str
    outcome: str
    approved: bool
    status: str
    attempts_left: int
    to: str = dataclasses.field(repr=False)
    purpose: str
    reference: str | None = None
    subject: str | None = dataclasses.field(default=None, repr=False)
    test: bool = False
    assurance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message whose code you made. status: queued, accepted, delivered, failed or expired."""

    id: str
    status: str
    to: str = dataclasses.field(repr=False)
    channel: str
    purpose: str
    created_at: datetime
    expires_at: datetime
    messages: tuple[Message, ...] = ()
    locale: str = ""
    reference: str | None = None
    converted_at: datetime | None = None
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Totp:
    """An authenticator. secret, uri and the QR codes are shown once, when it is enrolled."""

    id: str
    subject: str = dataclasses.field(repr=False)
    status: str
    name: str | None = None
    label: str | None = dataclasses.field(default=None, repr=False)
    issuer: str | None = None
    digits: int = 6
    algorithm: str = "SHA1"
    period: int = 30
    secret: str | None = dataclasses.field(default=None, repr=False)
    uri: str | None = dataclasses.field(default=None, repr=False)
    qr_svg: str | None = dataclasses.field(default=None, repr=False)
    qr_png: str | None = dataclasses.field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorResult:
    id: str
    subject: str = dataclasses.field(repr=False)
    outcome: str
    approved: bool
    status: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectResult:
    """What a code that a person typed came to, whatever factor it was of."""

    outcome: str
    approved: bool
    subject: str = dataclasses.field(default="", repr=False)
    factor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """data: by the type, as it was at `timestamp`."""

    id: str
    sequence: int
    type: str
    timestamp: datetime
    data: Mapping[str, Any] = dataclasses.field(repr=False)


def read(kind: type[T], body: Mapping[str, Any]) -> T:
    """Raises ValueError if a member is missing that the service always sends."""
    found = {}
    for name, hint in _hints(kind).items():
        if name in body:
            found[name] = _value(hint, body[name])
    try:
        return kind(**found)
    except TypeError:
        raise ValueError(f"the answer is no {kind.__name__}") from None


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    if hint is datetime:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    if dataclasses.is_dataclass(hint):
        return read(hint, value)
    if typing.get_origin(hint) is tuple:
        return tuple(read(typing.get_args(hint)[0], one) for one in value)
    return value
