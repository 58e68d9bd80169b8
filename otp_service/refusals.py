"""What a caller hears when a verification or a factor cannot do what was asked. docs/errors.md explains each code."""

from __future__ import annotations

from otp_service.domain.lifecycle import Verification
from otp_service.errors import Refused
from otp_service.gateways.base import Reason
from otp_service.storage.records import Stored
from otp_service.storage.subject_records import Subject


def by_word(stored: Stored) -> Refused:
    """A script's word, as the caller hears it."""
    match stored.word:
        case "too_soon":
            return Refused("too_soon", "A code was sent to this phone just now.", retry_after=stored.wait_seconds)
        case "no_sends_left":
            return Refused("no_sends_left", "No more messages for this verification.", retry_after=stored.wait_seconds)
        case "waiting":
            return Refused("too_many_failures", "Too many wrong codes for this phone.", retry_after=stored.wait_seconds)
        case "disabled":
            return Refused("phone_disabled", "Too many wrong codes: this phone is disabled until it is unlocked.")
        case "running":
            return in_progress(stored.wait_seconds)
        case "exists":
            return in_progress(1)
        case "mismatch":
            return key_reused()
        case "final":
            status = str(stored.found.status)
            return Refused("not_pending", f"The verification is {status}.", extra={"verification_status": status})
        case _:
            return not_found()


def not_found() -> Refused:
    return Refused("not_found", "There is no such verification.")


def key_reused() -> Refused:
    return Refused("idempotency_key_reused", "This Idempotency-Key came with another request before.")


def in_progress(seconds: float) -> Refused:
    return Refused(
        "request_in_progress",
        "An earlier request for this is still at work; ask again.",
        retry_after=seconds,
    )


def no_gateway(verification: Verification) -> Refused:
    return Refused(
        "no_gateway_available",
        "No gateway took the message.",
        extra={"verification_id": verification.id},
    )


def phone_rejected(reason: Reason, verification: Verification | None = None) -> Refused:
    """Before or after a gateway was asked; only then there is a verification."""
    return Refused(
        "phone_rejected",
        "This phone cannot get the message.",
        extra={"reason": str(reason), **({"verification_id": verification.id} if verification else {})},
    )


def of_factor(found: Subject) -> Refused:
    """A script's word about a factor, as the caller hears it."""
    match found.word:
        case "waiting":
            return Refused("too_many_failures", "Too many wrong codes in a row.", retry_after=found.wait_seconds)
        case "disabled":
            return Refused("factor_disabled", "Too many wrong codes: this factor is disabled until it is unlocked.")
        case "unconfirmed":
            return Refused("not_confirmed", "This authenticator waits for its first code: confirm it.")
        case "too_many":
            return Refused("too_many_factors", "This subject has as many authenticators as one may have; remove one.")
        case "running":
            return in_progress(found.wait_seconds)
        case "mismatch":
            return key_reused()
        case _:
            return no_factor()


def no_factor() -> Refused:
    return Refused("not_found", "There is no such factor.")


def factors_refused() -> Refused:
    return Refused(
        "factors_refused",
        "This service runs on a Redis that keeps nothing over a restart, so it takes no second factors.",
    )
