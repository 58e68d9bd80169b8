"""What became of one message of a request, in the words that X3, G1 and J1 share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from otp_service.domain.messages import MessageStatus
from otp_service.domain.value import Hidden, Value
from otp_service.gateways.base import Accepted, GatewayError
from otp_service.gateways.http import broken_answer
from otp_service.gateways.targetsms.errors import ALREADY_SENT, DUPLICATE, HELD, error_of, same
from otp_service.gateways.wire import optional_id


class Sent(Value):
    """One recipient of a request that had several. outcome: what `send` for one message would return or raise."""

    phone: Hidden[str]
    client_id: str
    outcome: Accepted | GatewayError


def accepted_despite(text: str, provider_id: str | None = None, parts: int = 0) -> Accepted:
    """The good outcome that an error text may be: held until a top-up, or taken before, which is good for a repeat.

    Raises `GatewayError` for every other text.
    """
    if same(text, ALREADY_SENT) or same(text, DUPLICATE):
        return Accepted(optional_id(provider_id), parts=parts, earlier=True)
    if same(text, HELD):
        return Accepted(optional_id(provider_id), status=MessageStatus.HELD, parts=parts)
    if not text or provider_id:  # X3: a message that failed has no id
        raise broken_answer()
    raise error_of(text)


def outcome_of(judge: Callable[[], Accepted], hidden: AbstractContextManager[None]) -> Accepted | GatewayError:
    """The outcome of one message, so that the failure of one does not hide the others."""
    try:
        with hidden:
            return judge()
    except GatewayError as error:
        return error.with_traceback(None)
