"""Every public field of verifications, in and out, in one file. Types of the domain never leave by themselves."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from otp_service.domain import codes, locales, recipients, workflows
from otp_service.domain.inbound import Assurance, Expected
from otp_service.domain.judgements import Judgement
from otp_service.domain.messages import Message, MessageStatus
from otp_service.domain.route_choice import Choice, RouteOrder, RouteReason
from otp_service.domain.timeline import timeline
from otp_service.domain.verifications import Outcome, Status, Verification, disguised
from otp_service.schemas.events import time_view
from otp_service.schemas.guard import GuardView, guard_view
from otp_service.schemas.incoming import Incoming, rule
from otp_service.settings.section import END


def _read_ip(text: str) -> str:
    if "%" in text:  # the zone of a link-local address may hold anything
        raise ValueError("a zone")
    return str(ipaddress.ip_address(text))


StepChannel = Literal["sms", "viber", "telegram", "whatsapp", "email", "inbound"]
Channel = Literal["sms", "viber", "telegram", "whatsapp", "email", "auto", "inbound"]
PhoneText = Annotated[
    str,
    Meta(
        description=(
            "A phone as people write and paste it, up to 100 characters; national forms are read in the region of the "
            "application. For the channel `email` an address."
        ),
        examples=["+79161234567"],
        extra=rule(
            "must be a phone number with its country code, for example `+79161234567`", may_be=recipients.is_readable
        ),
    ),
]
LocaleTag = Annotated[
    str,
    Meta(
        max_length=locales.LONGEST,
        pattern=r"^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,16}" + END,
        description=(
            f"The language of the text as a tag of BCP 47, such as `ru` or `pt-BR`: {', '.join(locales.LOCALES)}. Any "
            "other language falls back to the application's."
        ),
        examples=["ru"],
        extra=rule("must be a language tag, for example `ru` or `pt-BR`", locales.nearest),
    ),
]
Purpose = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}" + END,
        description="What the code is for: lower-case letters, digits, `_`, `.`, `-`.",
        examples=["login"],
        extra=rule(
            "must be 1 to 32 lower-case letters, digits, `_`, `.`, `-`, beginning with a letter or digit, for example "
            "`login`"
        ),
    ),
]
Code = Annotated[
    str,
    Meta(
        max_length=codes.LONGEST_TYPED,
        description="4 to 10 digits, as the person typed them: blanks, hyphens and dots between them are dropped.",
        examples=["123456"],
        extra=rule("must be 4 to 10 digits, for example `123456`", codes.read),
    ),
]
Reference = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]*" + END,
        description="Your own reference, such as an order number; it is part of every answer.",
        examples=["order-77"],
        extra=rule("must be text of up to 128 characters in one line, for example `order-77`"),
    ),
]
LimitWord = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,31}" + END,
        extra=rule(
            "must be 1 to 32 lower-case letters, digits, `_`, `-`, beginning with a letter, for example `device`"
        ),
    ),
]
LimitValue = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="The value by which one of your own limits counts, such as a device id.",
        extra=rule("must be text of 1 to 256 characters, for example `a1b2c3`"),
    ),
]
OwnLimits = Annotated[
    dict[LimitWord, LimitValue],
    Meta(
        max_length=8,
        examples=[{}],
        extra=rule('must be an object of up to 8 of your own limits, for example {"device": "a1b2c3"}'),
    ),
]
Ip = Annotated[
    str,
    Meta(
        max_length=45,
        description="The client's IPv4 or IPv6 address.",
        examples=["203.0.113.7"],
        extra=rule("must be an IPv4 or IPv6 address, for example `203.0.113.7`", _read_ip),
    ),
]


SUBJECT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}" + END
SUBJECT_WORDS = (
    "Your own id of the person, opaque: not a phone or an e-mail address. 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ | + = -`, "
    "beginning with a letter or digit."
)
SubjectText = Annotated[
    str,
    Meta(
        pattern=SUBJECT_PATTERN,
        description=SUBJECT_WORDS,
        examples=["user-1042"],
        extra=rule(
            "must be 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ | + = -`, beginning with a letter or digit, for example "
            "`user-1042`"
        ),
    ),
]


WaitSeconds = Annotated[
    int,
    Meta(
        ge=0,
        le=workflows.LONGEST_WAIT_SECONDS,
        description="How long the message may take before the next step; 0: until it fails. Default: the settings.",
        examples=[20],
        extra=rule(f"must be a whole number from 0 to {workflows.LONGEST_WAIT_SECONDS}, for example 20"),
    ),
]
Trusted = Annotated[
    bool,
    Meta(
        description=(
            "True: you know this client, for example as it is signed in. False: you do not. Absent: you cannot say."
        ),
        extra=rule("must be `true` or `false`"),
    ),
]
Device = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="Your own id of the device, or its fingerprint.",
        examples=["a1b2c3"],
        extra=rule("must be text of up to 256 characters, for example `a1b2c3`"),
    ),
]
Ja4 = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.-]{1,64}" + END,
        description="JA4 fingerprint of the client's TLS.",
        examples=["t13d1516h2_8daaf6152771_02713d6af862"],
        extra=rule("must be a JA4 fingerprint, for example `t13d1516h2_8daaf6152771_02713d6af862`"),
    ),
]
ChallengePassed = Annotated[
    bool,
    Meta(
        description="The person has just passed a challenge of yours, such as a CAPTCHA.",
        extra=rule("must be `true` or `false`"),
    ),
]


class Client(Incoming):
    """About the person's device, for limits and for the form of the text."""

    ip: Ip | None = None
    platform: Literal["web", "android", "ios"] | None = None
    trusted: Trusted | None = None
    device: Device | None = None
    ja4: Ja4 | None = None
    challenge_passed: ChallengePassed = False


def about_client(client: Client | None) -> dict[str, Any]:
    """What is told of it, as members of a StartRequest."""
    if client is None:
        return {}
    return {
        "client_ip": client.ip or "",
        "platform": client.platform or "",
        "client_device": client.device or "",
        "client_ja4": client.ja4 or "",
        "client_trusted": "" if client.trusted is None else str(client.trusted).lower(),
        "challenge_passed": client.challenge_passed,
    }


class WorkflowStep(Incoming):
    """One channel of a workflow, and how long its message may take until the next has its turn."""

    channel: StepChannel
    wait_seconds: WaitSeconds | None = None


Steps = Annotated[
    list[WorkflowStep],
    Meta(
        min_length=1,
        max_length=workflows.MOST_STEPS,
        description="For the channel `auto`: the channels one after the other, in place of the application's.",
        examples=[[{"channel": "telegram", "wait_seconds": 20}, {"channel": "sms"}]],
        extra=rule(
            f"must be a list of 1 to {workflows.MOST_STEPS} steps, for example "
            '[{"channel": "telegram", "wait_seconds": 20}, {"channel": "sms"}]'
        ),
    ),
]


class StartVerification(Incoming):
    to: PhoneText
    channel: Channel = "sms"
    steps: Steps | None = None
    purpose: Purpose = "verification"
    locale: LocaleTag | None = None
    reference: Reference | None = None
    subject: SubjectText | None = None
    client: Client | None = None
    limits: OwnLimits | None = None


class CheckCode(Incoming):
    """`to` and `purpose`, where given, must be those of the verification; else it is not found and costs nothing."""

    code: Code
    to: PhoneText | None = None
    purpose: Purpose | None = None


class CheckPhone(Incoming):
    """For a caller that knows the phone alone: the newest pending verification of that phone and purpose is meant."""

    to: PhoneText
    code: Code
    purpose: Purpose = "verification"


class Resend(Incoming):
    channel: Channel | None = None


class Search(Incoming):
    to: PhoneText


class MessageView(msgspec.Struct, kw_only=True):
    """ended_at: since when the status is final. price: of one part, as the gateway counts. gateway_words: what the
    gateway said where no document lists it, without phones, codes and credentials; for keys with `admin` alone.
    """

    id: str
    gateway: str
    channel: str
    status: MessageStatus
    sent_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    parts: int | None
    price: str | None
    reason: str | None
    gateway_words: str | msgspec.UnsetType | None = msgspec.UNSET


class MomentView(msgspec.Struct, kw_only=True):
    at: datetime
    what: str
    message: str | None


class InboundView(msgspec.Struct, kw_only=True):
    """What the person has to send: `text` by SMS to `number`; `uri` opens it filled in, on a phone."""

    number: str
    code: str
    text: str
    uri: str
    qr_svg: str


class RouteView(msgspec.Struct, kw_only=True):
    """Who is asked first by a route that learns; for keys with `admin` alone: it is drawn for each start, and tells
    whoever runs the service of its gateways, and callers nothing of the person.

    order: `learned`; `shadow` where the order of the settings was kept: this is what would have been. before: who is
    first in the settings. reason: `learned` from what its messages brought, `explore` because everyone is asked now
    and then, `only` because the others cost too much more.
    """

    order: RouteOrder
    first: str
    before: str
    reason: RouteReason


class VerificationView(msgspec.Struct, kw_only=True):
    id: str
    status: Status
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
    inbound: InboundView | None
    assurance: Assurance | None
    advice: str | None
    route: RouteView | msgspec.UnsetType | None = msgspec.UNSET


class VerificationList(msgspec.Struct, kw_only=True):
    verifications: list[VerificationView]


class CheckResult(msgspec.Struct, kw_only=True):
    """The caller must compare `to` with the phone that it wants proved."""

    id: str
    outcome: Outcome
    approved: bool
    status: Status
    attempts_left: int
    to: str
    purpose: str
    reference: str | None
    subject: str | None
    test: bool
    assurance: Assurance | None


def view(found: Verification, *, operator: bool = False, advice: str = "", qr_svg: str = "") -> VerificationView:
    """operator: words of gateways and the choice of a route are shown. advice: what to do where no code came. qr_svg:
    of what the person is to send."""
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
        messages=[message_view(found.id, message, words=operator) for message in found.messages],
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
        inbound=_inbound(found.expected, qr_svg),
        assurance=assurance_of(found),
        advice=advice or None,
        route=_route(found.route) if operator else msgspec.UNSET,
    )


def _route(choice: Choice | None) -> RouteView | None:
    if choice is None:
        return None
    return RouteView(order=choice.order, first=choice.first, before=choice.before, reason=choice.reason)


def _inbound(expected: Expected | None, qr_svg: str) -> InboundView | None:
    if expected is None:
        return None
    return InboundView(number=expected.number, code=expected.code, text=expected.text, uri=expected.uri, qr_svg=qr_svg)


def assurance_of(found: Verification) -> Assurance | None:
    """Of an approval; None of anything else."""
    if found.status is not Status.APPROVED:
        return None
    return Assurance(found.assurance) if found.assurance else Assurance.HELD


def message_view(about: str, message: Message, *, words: bool) -> MessageView:
    """about: the public id of what it is a message of."""
    return MessageView(
        id=f"{about}.{message.number}",
        gateway=message.gateway,
        channel=message.channel,
        status=message.status,
        sent_at=time_view(message.sent_at) if message.sent_at else None,
        ended_at=time_view(message.ended_at) if message.ended_at else None,
        updated_at=time_view(message.updated_at),
        parts=message.parts or None,
        price=message.price or None,
        reason=message.reason or None,
        gateway_words=(message.words or None) if words else msgspec.UNSET,
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
        assurance=assurance_of(found),
    )
