"""Statistics as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from otp_service.domain import money
from otp_service.domain.statistics import DIMENSIONS, Histogram, Row


class Percentiles(msgspec.Struct, kw_only=True):
    """Seconds, at most 600; null where nothing was counted."""

    p50: float | None
    p95: float | None


class RefusedView(msgspec.Struct, kw_only=True):
    """Starts and resends that went no further, by what refused them."""

    limit: int
    guard: int
    budget: int


class StatisticsRow(msgspec.Struct, kw_only=True):
    """One period of one group; of the groups, those of `by` are there. null: not known, or it concerns no gateway."""

    at: datetime
    gateway: str | msgspec.UnsetType | None = msgspec.UNSET
    channel: str | msgspec.UnsetType | None = msgspec.UNSET
    country: str | msgspec.UnsetType | None = msgspec.UNSET
    operator: str | msgspec.UnsetType | None = msgspec.UNSET
    started: int
    sent_to: int
    reached: int
    sends: int
    parts: int
    roubles: str
    delivered: int
    failed: int
    unknown: int
    reasons: dict[str, int]
    """Why messages were not taken or did not arrive; of what never happened there is nothing."""
    approved: int
    expired: int
    exhausted: int
    canceled: int
    unsent: int
    refused: int
    refused_by: RefusedView
    failovers: int
    failovers_won: int
    conversion: float | None
    """Of the messages that left, the share to which an approval is owed; null where none left."""
    chosen: int
    chosen_otherwise: int
    seconds_to_delivery: Percentiles
    seconds_to_approval: Percentiles


class StatisticsView(msgspec.Struct, kw_only=True):
    step: str
    rows: list[StatisticsRow]


def statistics_view(step: str, by: Sequence[str], rows: Sequence[Row]) -> StatisticsView:
    return StatisticsView(step=step, rows=[_row(row, by) for row in rows])


_AS_COUNTED = ("started", "sent_to", "reached", "sends", "parts", "delivered", "failed", "unknown", "approved",
               "expired", "exhausted", "canceled", "unsent", "failovers", "failovers_won", "chosen",
               "chosen_otherwise")  # fmt: skip


def _row(row: Row, by: Sequence[str]) -> StatisticsRow:
    groups: dict[str, Any] = {name: getattr(row.group, name) or None for name in DIMENSIONS if name in by}
    counted: dict[str, Any] = {name: row[name] for name in _AS_COUNTED}
    return StatisticsRow(
        at=row.at,
        **groups,
        **counted,
        roubles=money.roubles(row["micro_roubles"]),
        reasons=dict(row.reasons),
        refused=row.refused,
        refused_by=RefusedView(limit=row["refused_limit"], guard=row["refused_guard"], budget=row["refused_budget"]),
        conversion=round(row["approved"] / row["sends"], 4) if row["sends"] else None,
        seconds_to_delivery=_percentiles(row.to_delivery),
        seconds_to_approval=_percentiles(row.to_approval),
    )


def _percentiles(histogram: Histogram) -> Percentiles:
    return Percentiles(p50=histogram.percentile(0.5), p95=histogram.percentile(0.95))
