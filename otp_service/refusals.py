"""What a caller hears when a verification or a factor cannot do what was asked. docs/errors.md explains each code."""

from __future__ import annotations

from typing import Literal, assert_never

from otp_service.domain.reasons import Reason
from otp_service.domain.verifications import Verification
from otp_service.errors import Refused, StorageUnavailable
from otp_service.storage.records import Stored
from otp_service.storage.subject_records import Subject

Word = Literal[
    "too_soon", "no_sends_left", "waiting", "disabled", "wrong_length", "raced", "running", "exists", "mismatch",
    "final", "not_found",
]  # fmt: skip
"""What scripts answer when they refuse to do something with a verification."""
FactorWord = Literal[
    "waiting", "disabled", "unconfirmed", "too_many", "wrong_length", "running", "mismatch", "not_found"
]


def by_word(word: Word, stored: Stored) -> Refused:
    """A script's word, as the caller hears it. stored: what it answered with the word."""
    match word:
        case "too_soon":
            return Refused("too_soon", "A code was sent to this phone just now.", retry_after=stored.wait_seconds)
        case "no_sends_left":
            return Refused(
                "no_sends_left", "No more codes can be sent for this verification.", retry_after=stored.wait_seconds
            )
        case "waiting":
            return Refused("too_many_failures", "Too many wrong codes for this phone.", retry_after=stored.wait_seconds)
        case "disabled":
            return Refused("phone_disabled", "Too many wrong codes: this phone is disabled until it is unlocked.")
        case "wrong_length":
            return wrong_length(int(stored.detail))
        case "raced":
            return Raced()
        case "running":
            return in_progress(stored.wait_seconds)
        case "exists":
            return in_progress(1)
        case "mismatch":
            return key_reused()
        case "final":
            status = str(stored.verification.status)
            return Refused("not_pending", f"The verification is {status}.", extra={"verification_status": status})
        case "not_found":
            return not_found()
        case never:
            assert_never(never)


class Raced(Refused):
    """Another verification for the phone was started at the same moment: read again and decide anew."""

    def __init__(self) -> None:
        super().__init__(
            "request_in_progress", "Another request for this phone is in progress; try again.", retry_after=1
        )


def not_found() -> Refused:
    return Refused("not_found", "There is no such verification.")


def wrong_length(digits: int) -> Refused:
    message = f"must have {digits} digits, as the code that was sent"
    errors = [{"field": "code", "message": message}]
    return Refused("wrong_length", f"The code has {digits} digits.", extra={"code_length": digits, "errors": errors})


def key_reused() -> Refused:
    return Refused("idempotency_key_reused", "This Idempotency-Key was used with another request before.")


def in_progress(seconds: float, verification_id: str = "") -> Refused:
    return Refused(
        "request_in_progress",
        "An earlier request for this is still in progress; try again.",
        retry_after=seconds,
        extra={"verification_id": verification_id} if verification_id else None,
    )


def taken_over(stored: Stored) -> StorageUnavailable:
    """Another process goes on with what this one had begun."""
    return StorageUnavailable(
        "request_in_progress",
        "Another process is working on this; try again.",
        retry_after=max(1.0, (stored.due_times.lease - stored.verification.now) / 1000),
        extra={"verification_id": stored.verification.id},
    )


def no_gateway(verification: Verification) -> Refused:
    return Refused(
        "no_gateway_available",
        "No gateway accepted the message.",
        extra={"verification_id": verification.id},
    )


def stopped(refusal: Refused, verification: Verification) -> Refused:
    """A walk that could not go on: its first message may have left, and no other was allowed."""
    extra = {**refusal.extra, "verification_id": verification.id}
    return Refused(refusal.code, refusal.detail, retry_after=refusal.retry_after, extra=extra)


def phone_rejected(reason: Reason, verification: Verification | None = None) -> Refused:
    """With a verification if a gateway was asked, without one if the phone was refused before."""
    return Refused(
        "phone_rejected",
        "This phone cannot receive the message.",
        extra={"reason": str(reason), **({"verification_id": verification.id} if verification else {})},
    )


def unreached(advice: str, verification: Verification | None = None) -> Refused:
    """Nothing by this channel arrived lately, and the application offers another: that one is in `advice`."""
    refused = phone_rejected(Reason.UNREACHED, verification)
    return Refused(refused.code, refused.detail, extra={**refused.extra, "advice": advice})


def of_factor(word: FactorWord, found: Subject) -> Refused:
    """A script's word about a factor, as the caller hears it. found: what it answered with the word."""
    match word:
        case "waiting":
            return Refused("too_many_failures", "Too many wrong codes in a row.", retry_after=found.wait_seconds)
        case "disabled":
            return Refused("factor_disabled", "Too many wrong codes: this factor is disabled until it is unlocked.")
        case "unconfirmed":
            return Refused(
                "not_confirmed", "This authenticator is not confirmed yet: send its first code to confirm it."
            )
        case "too_many":
            return Refused(
                "too_many_factors", "This person has the most authenticators that one may have; remove one first."
            )
        case "wrong_length":
            return wrong_length(int(found.detail))
        case "running":
            return in_progress(found.wait_seconds)
        case "mismatch":
            return key_reused()
        case "not_found":
            return no_factor()
        case never:
            assert_never(never)


def no_factor() -> Refused:
    return Refused("not_found", "There is no such factor.")


def factors_refused() -> Refused:
    return Refused(
        "factors_refused",
        "Redis does not keep its data over a restart, so this service refuses second factors.",
    )
