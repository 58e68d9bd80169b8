"""What a check came to, and the verification as it is after it."""

from __future__ import annotations

from otp_service.domain.value import Value
from otp_service.domain.verifications import Outcome, Verification


class Judgement(Value):
    outcome: Outcome
    verification: Verification
    judged: bool = False
    """Whether this very check compared a code, or had compared it when it was asked first."""
