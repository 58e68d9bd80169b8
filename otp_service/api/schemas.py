"""Every public field, in and out. Types of the domain never leave by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from otp_service.api.guard import GuardView, guard_view
from otp_service.discretion import disguised
from otp_service.domain.lifecycle import Verification
from otp_service.domain.messages import Message
from otp_service.domain.timeline import timeline
from otp_service.settings.section import END
from otp_service.telling import time_view
from otp_service.verifications import Judgement

Channel = Literal["sms", "viber"]
PhoneText = Annotated[
    str,
    Meta(
        min_length=5,
        max_length=40,
        description="A phone as people write it; national forms are read in the application's region.",
        examples=["+79161234567"],
    ),
]
Purpose = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}" + END,
        description="What the code is good for: lower-case letters, digits, `_`, `.`, `-`.",
        examples=["login"],
    ),
]
Code = Annotated[str, Meta(pattern=r"^[0-9]{4,10}" + END, description="4 to 10 ASCII digits.")]
Reference = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]*" + END,
        description="Yours; comes back in every answer.",
        examples=["order-77"],
    ),
]
LimitWord = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}" + END)]
LimitValue = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="What one of your own limits counts by, under the name it has there, as in `device`.",
    ),
]


SUBJECT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}" + END
SUBJECT_WORDS = (
    "Your own id of the person, opaque: not a phone or an e-mail address. 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ | + = -`, "
    "beginning with a letter or digit."
)
SubjectText = Annotated[str, Meta(pattern=SUBJECT_PATTERN, description=SUBJECT_WORDS, examples=["user-1042"])]


class Incoming(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request body. Unknown fields are refused, so that a misspelt one is not silently lost."""


class Client(Incoming):
    """About the person's device, for limits and for the form of the text."""

    ip: Annotated[str, Meta(max_length=45, description="IPv4 or IPv6.", examples=["203.0.113.7"])] | None = None
    platform: Literal["web", "android", "ios"] | None = None


class StartVerification(Incoming):
    to: PhoneText
    channel: Channel = "sms"
    purpose: Purpose = "verification"
    locale: Literal["ru", "en"] | None = None
    reference: Reference | None = None
    subject: SubjectText | None = None
    client: Client | None = None
    limits: Annotated[dict[LimitWord, LimitValue], Meta(max_length=8, examples=[{}])] | None = None


class CheckCode(Incoming):
    """`to` and `purpose`, where given, must be those of the verification; else it is not found and costs nothing."""

    code: Code
    to: PhoneText | None = None
    purpose: Purpose | None = None


class Resend(Incoming):
    channel: Channel | None = None


class Search(Incoming):
    to: PhoneText


class MessageView(msgspec.Struct, kw_only=True):
    """ended_at: since when the status is final. price: of one part, as the gateway counts."""

    id: str
    gateway: str
    channel: str
    status: str
    sent_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    parts: int | None
    price: str | None
    reason: str | None


class MomentView(msgspec.Struct, kw_only=True):
    at: datetime
    what: str
    message: str | None


class VerificationView(msgspec.Struct, kw_only=True):
    id: str
    status: str
    to: str
    channel: str
    purpose: str
    locale: str
    reference: str | None
    subject: str | None
    operator: str | None
    operator_region: str | None
    created_at: datetime
    expires_at: datetime
    attempts_left: int
    sends_left: int
    resend_at: datetime
    messages: list[MessageView]
    timeline: list[MomentView]
    guard: GuardView | None
    test: bool


class VerificationList(msgspec.Struct, kw_only=True):
    verifications: list[VerificationView]


class CheckResult(msgspec.Struct, kw_only=True):
    """The caller must compare `to` with the phone that it wants proved."""

    id: str
    outcome: str
    approved: bool
    status: str
    attempts_left: int
    to: str
    purpose: str
    reference: str | None
    subject: str | None
    test: bool


def view(found: Verification) -> VerificationView:
    found = disguised(found)
    return VerificationView(
        id=found.id,
        status=found.status,
        to=found.phone,
        channel=found.channel,
        purpose=found.purpose,
        locale=found.locale,
        reference=found.reference or None,
        subject=found.subject or None,
        operator=found.number.operator or None,
        operator_region=found.number.region or None,
        created_at=time_view(found.created_at),
        expires_at=time_view(found.expires_at),
        attempts_left=found.attempts_left,
        sends_left=found.sends_left,
        resend_at=time_view(found.resend_at),
        messages=[_message(found.id, message) for message in found.messages],
        timeline=[
            MomentView(
                at=time_view(moment.at),
                what=moment.what,
                message=f"{found.id}.{moment.message}" if moment.message else None,
            )
            for moment in timeline(found)
        ],
        guard=guard_view(found.guard),
        test=found.test,
    )


def _message(verification_id: str, message: Message) -> MessageView:
    return MessageView(
        id=f"{verification_id}.{message.number}",
        gateway=message.gateway,
        channel=message.channel,
        status=message.status,
        sent_at=time_view(message.sent_at) if message.sent_at else None,
        ended_at=time_view(message.ended_at) if message.ended_at else None,
        updated_at=time_view(message.updated_at),
        parts=message.parts or None,
        price=message.price or None,
        reason=message.reason or None,
    )


def check_result(judgement: Judgement) -> CheckResult:
    found = judgement.verification
    return CheckResult(
        id=found.id,
        outcome=judgement.outcome,
        approved=judgement.outcome == "approved",
        status=found.status,
        attempts_left=found.attempts_left,
        to=found.phone,
        purpose=found.purpose,
        reference=found.reference or None,
        subject=found.subject or None,
        test=found.test,
    )
