"""What the body of a webhook holds, by the type of its event: the types that the OpenAPI document shows.

The bodies themselves are made in schemas/events.py; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from otp_service.domain.factors import FactorKind
from otp_service.domain.inbound import Assurance
from otp_service.domain.messages import MessageStatus
from otp_service.domain.verifications import DeliveryStatus, Status
from otp_service.domain.weekly import Help

Time = Annotated[datetime, Meta(tz=True)]


class EventMessage(msgspec.Struct, kw_only=True):
    """The message that the event is about."""

    id: str
    gateway: str
    channel: str
    status: MessageStatus
    sent_at: Time | None
    updated_at: Time
    parts: int | None
    price: str | None
    reason: str | None


class VerificationData(msgspec.Struct, kw_only=True):
    """A verification as it was at the time of the event."""

    verification_id: str
    status: Status
    to: str | None
    channel: str
    purpose: str
    reference: str | None
    created_at: Time
    expires_at: Time
    attempts_left: int
    sends_left: int
    assurance: Assurance | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    message: EventMessage | UnsetType = UNSET


class DeliveryData(msgspec.Struct, kw_only=True):
    """A delivery as it was at the time of the event. `delivery.converted` has no `status`."""

    delivery_id: str
    status: DeliveryStatus | UnsetType = UNSET
    to: str | None
    channel: str
    purpose: str
    reference: str | None
    created_at: Time
    expires_at: Time
    message: EventMessage | UnsetType = UNSET


class FactorData(msgspec.Struct, kw_only=True):
    """A second factor of a person. Tell the person by another channel."""

    subject: str | None
    factor: FactorKind
    factor_id: str | None
    backup_codes_left: int | None


class CircuitData(msgspec.Struct, kw_only=True):
    """A gateway that is left alone because it failed, or that works again (then with `opened_at`)."""

    gateway: str
    reason: str
    opened_at: Time | UnsetType = UNSET


class BalanceData(msgspec.Struct, kw_only=True):
    """An account at a provider that needs money soon."""

    gateway: str
    balance: str
    threshold: str


class BudgetData(msgspec.Struct, kw_only=True):
    """The money of the day, in roubles."""

    spent: str
    budget: str


class WrongCodesData(msgspec.Struct, kw_only=True):
    """How many wrong codes were counted, and how many are normal."""

    wrong: int
    budget: int


class WeekFigures(msgspec.Struct, kw_only=True):
    """Of one week. conversion: approvals for each start. Seconds from the start to the right code."""

    started: int
    approved: int
    conversion: float | None
    sends: int
    failovers: int
    refused: int
    roubles: str
    seconds_p50: float | None
    seconds_p95: float | None


class WeekRoute(msgspec.Struct, kw_only=True):
    """One gateway with the people of one operator."""

    gateway: str
    operator: str
    sends: int
    conversion: float
    seconds_p50: float | None
    roubles: str


class WeekHint(msgspec.Struct, kw_only=True):
    """What would help, and where."""

    help: Help
    gateway: str
    operator: str


class WeeklyReportData(msgspec.Struct, kw_only=True):
    """What changed in a week, what it cost, and what would help."""

    week: str
    now: WeekFigures
    before: WeekFigures
    routes: list[WeekRoute]
    hints: list[WeekHint]


class WebhookTestData(msgspec.Struct, kw_only=True):
    """Sent by `otp-service webhooks test` alone; it is in no list of events."""

    endpoint: str


PAYLOADS: Mapping[str, Sequence[type[msgspec.Struct]]] = {
    "verification.created": (VerificationData,),
    "verification.approved": (VerificationData,),
    "verification.expired": (VerificationData,),
    "verification.exhausted": (VerificationData,),
    "verification.canceled": (VerificationData,),
    "verification.failed": (VerificationData,),
    "delivery.created": (DeliveryData,),
    "delivery.failed": (DeliveryData,),
    "delivery.expired": (DeliveryData,),
    "delivery.converted": (DeliveryData,),
    "message.updated": (VerificationData, DeliveryData),
    "factor.enrolled": (FactorData,),
    "factor.confirmed": (FactorData,),
    "factor.removed": (FactorData,),
    "factor.locked": (FactorData,),
    "challenge.approved": (FactorData,),
    "challenge.denied": (FactorData,),
    "backup_code.used": (FactorData,),
    "gateway.circuit_opened": (CircuitData,),
    "gateway.circuit_closed": (CircuitData,),
    "gateway.balance_low": (BalanceData,),
    "application.budget_warning": (BudgetData,),
    "application.budget_exhausted": (BudgetData,),
    "application.wrong_codes": (WrongCodesData,),
    "service.wrong_codes": (WrongCodesData,),
    "application.weekly_report": (WeeklyReportData,),
    "webhook.test": (WebhookTestData,),
}
"""Type of an event: what its `data` may be."""


def bodies() -> dict[type[msgspec.Struct], type[msgspec.Struct]]:
    """Whole bodies, by what their `data` are. Events with the same data share one."""
    kinds_of: dict[type[msgspec.Struct], list[str]] = {}
    for kind, payloads in PAYLOADS.items():
        for data in payloads:
            kinds_of.setdefault(data, []).append(kind)
    return {
        data: msgspec.defstruct(
            data.__name__.removesuffix("Data") + "Event",
            [("type", Literal[tuple(kinds)]), ("timestamp", Time), ("sequence", int), ("data", data)],
            kw_only=True,
        )
        for data, kinds in kinds_of.items()
    }
