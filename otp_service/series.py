"""The series that alert rules divide, or wait for the growth of, stand at 0 from the start of a process.

A counter that a first event creates begins at 1: Prometheus sees no growth, and a ratio over what never happened is
empty instead of 0. After each restart that would hide just what a rule is there for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.verifications import Outcome
from otp_service.telemetry import metrics

STARTS = ("sent", "failed", "rejected")
OF_THE_ACCOUNT = (Reason.CREDENTIALS, Reason.FUNDS, Reason.SENDER, Reason.ACCOUNT_BLOCKED, Reason.BAD_REQUEST)
JUDGED = ("allowed", "would_refuse", "challenged", "refused")


def init_series(budgets: Mapping[str, float], gateways: Mapping[str, str], kinds: Iterable[str]) -> None:
    """budgets: by application, roubles a day, 0 for none. gateways: channels by name. kinds: patterns of keys."""
    for application, budget in budgets.items():
        for result in STARTS:
            metrics.VERIFICATIONS.labels(application, result)
            metrics.DELIVERIES.labels(application, result)
        for outcome in Outcome:
            metrics.CHECKS.labels(application, outcome)
        for decision in JUDGED:
            metrics.GUARDED.labels(application, decision)
        for gateway in gateways:
            metrics.APPROVAL_SECONDS.labels(application, gateway)
            metrics.SPENT.labels(application, gateway)
        metrics.KEY_END.labels(application)
        if budget:
            metrics.BUDGET.labels(application).set(budget)
            for what in ("warning", "exhausted"):
                metrics.BUDGETS.labels(application, what)
    for scope in ("all", *budgets):
        metrics.ALARMS.labels(scope)
    for gateway, channel in gateways.items():
        metrics.SENDS.labels(gateway, channel, MessageStatus.ACCEPTED, "")
        metrics.SENDS.labels(gateway, channel, MessageStatus.UNCLEAR, Reason.TIMEOUT)
        for reason in OF_THE_ACCOUNT:
            metrics.SENDS.labels(gateway, channel, MessageStatus.REJECTED, reason)
        metrics.SENDS.labels(gateway, channel, MessageStatus.HELD, Reason.FUNDS)
        for status in (MessageStatus.DELIVERED, MessageStatus.UNDELIVERED):
            metrics.ENDS.labels(gateway, channel, status)
    for channel in set(gateways.values()):
        for why in ("not delivered", "no report"):
            metrics.FAILOVERS.labels(channel, why)
    for result in ("news", "nothing new", "not understood"):
        metrics.PUSHES.labels(result)
    for kind in ("unknown", *kinds):
        metrics.UNREADABLE.labels(kind)
