"""Why no code came, and what to do now: one word from what is known of a verification's messages. Pure rules.

For the page that says "I got no code". docs/inbound.md has sentences for people.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum

from otp_service.domain.failover import usual_ms
from otp_service.domain.messages import MessageStatus
from otp_service.domain.recipients import AUTO, EMAIL, is_address
from otp_service.domain.verifications import FAILED, LEAST_LIFE_SECONDS, LIFE_CAP_SECONDS, Status, Verification

PATIENCE_MS = 30_000
"""By then nearly all messages are there."""
IMPATIENCE_MS = 10_000
"""For those of a gateway that has brought hardly anybody anything lately."""
PATIENT_SHARE = 0.96
KNOWN_ENDS, NEWEST_ENDS = 3, 20


class Advice(StrEnum):
    WAIT = "wait"
    """A message is on its way, or has arrived."""
    RESEND = "resend"
    TRY_CHANNEL = "try_channel"
    """Followed by a colon and a channel."""
    INBOUND = "inbound"
    """Let the person send the code."""
    SMS_LIKELY_BLOCKED = "sms_likely_blocked"
    """Two SMS and more failed, and nothing else can be tried."""
    ASK_OPERATOR = "ask_operator"
    """Of the service: nothing can be sent any more."""


def patience_ms(ends: Sequence[int | None]) -> int:
    """How long a message may be on its way before anything else is advised. ends: how the newest messages of its
    gateway ended, newest first (storage/gateways.py)."""
    newest = ends[:NEWEST_ENDS]
    if len(newest) >= KNOWN_ENDS and 2 * sum(end is not None for end in newest) < len(newest):
        return IMPATIENCE_MS
    return max(PATIENCE_MS, usual_ms(ends, PATIENT_SHARE))


def advice(
    found: Verification,
    channels: Collection[str],
    *,
    inbound: bool,
    patience_ms: Callable[[str], int] = lambda _: PATIENCE_MS,
) -> str:
    """channels: those that have a route. inbound: the person may send the code. patience_ms: of a gateway, by its name.
    '' for what is no longer pending."""
    if found.status is not Status.PENDING:
        return ""
    if found.expected:
        return Advice.INBOUND
    last = found.messages[-1] if found.messages else None
    if any(message.status is MessageStatus.DELIVERED for message in found.messages):
        return Advice.WAIT
    if found.unreached and {message.channel for message in found.messages} <= set(found.unreached):
        others = [each for each in channels if each not in (*found.unreached, AUTO, EMAIL)]
        if others and not is_address(found.phone):
            return f"{Advice.TRY_CHANNEL}:{others[0]}"
        return Advice.INBOUND if inbound else Advice.SMS_LIKELY_BLOCKED
    failed = last is not None and (last.status in FAILED or last.status is MessageStatus.UNKNOWN)
    young = last is not None and found.now - max(last.queued_at, last.sent_at) < patience_ms(last.gateway)
    if last and last.status is not MessageStatus.HELD and not failed and young:
        return Advice.WAIT
    last_moment = found.created_at + (LIFE_CAP_SECONDS - LEAST_LIFE_SECONDS) * 1000
    if found.sends_left and found.now <= last_moment:
        tried = {message.channel for message in found.messages}
        reach = [each for each in channels if (each == EMAIL) == is_address(found.phone) and each != AUTO]
        untried = [each for each in reach if each not in tried]
        if failed and untried:
            return f"{Advice.TRY_CHANNEL}:{untried[0]}"
        if _failed_sms(found) < 2:
            return Advice.RESEND
    if inbound and not is_address(found.phone):
        return Advice.INBOUND
    return Advice.SMS_LIKELY_BLOCKED if _failed_sms(found) >= 2 else Advice.ASK_OPERATOR


def _failed_sms(found: Verification) -> int:
    return sum(
        message.channel == "sms" and message.sent_at > 0 and message.status in FAILED for message in found.messages
    )
