"""What the pumping guard thought of a verification, as callers see it."""

from __future__ import annotations

import msgspec

from otp_service.domain.pumping import Decision


class GuardReason(msgspec.Struct, kw_only=True):
    """unverified, approved: what was counted, faded; budget: what unverified may be."""

    reason: str
    unverified: float
    approved: float
    budget: float


class GuardView(msgspec.Struct, kw_only=True):
    """Of the first send."""

    decision: str
    reasons: list[GuardReason]


def guard_view(decision: Decision | None) -> GuardView | None:
    """None where no guard was there."""
    if decision is None:
        return None
    reasons = [
        GuardReason(reason=one.reason, unverified=one.unverified, approved=one.approved, budget=one.budget)
        for one in decision.findings
    ]
    return GuardView(decision=decision.word, reasons=reasons)
