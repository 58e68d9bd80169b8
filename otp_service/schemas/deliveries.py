"""Fields of deliveries: codes that somebody else made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from otp_service.domain.verifications import DeliveryStatus, Verification, delivery_id, disguised
from otp_service.schemas.events import time_view
from otp_service.schemas.guard import GuardView, guard_view
from otp_service.schemas.incoming import Incoming, rule
from otp_service.schemas.verifications import (
    Channel,
    Client,
    LocaleTag,
    MessageView,
    OwnLimits,
    PhoneText,
    Purpose,
    Reference,
    message_view,
)
from otp_service.settings.section import END

HostName = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?" + END,
        description="Host name of your login page in lower-case ASCII. The last line of the text is `@host #code`: "
        "browsers can then fill in the code.",
        examples=["login.example.ru"],
        extra=rule("must be a host name in lower-case ASCII, for example `login.example.ru`"),
    ),
]


class Deliver(Incoming):
    """Exactly one of `code` and `text`."""

    to: PhoneText
    code: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9-]{4,16}" + END,
                description="Your code, put into the application's text: 4 to 16 letters, digits and dashes.",
                examples=["AB12-CD34"],
                extra=rule("must be 4 to 16 letters, digits and dashes, for example `AB12-CD34`"),
            ),
        ]
        | None
    ) = None
    text: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=400,
                description="A ready message, where the settings allow it; two SMS at most.",
                extra=rule("must be text of 1 to 400 characters"),
            ),
        ]
        | None
    ) = None
    channel: Channel = "sms"
    purpose: Purpose = "verification"
    locale: LocaleTag | None = None
    reference: Reference | None = None
    ttl_seconds: (
        Annotated[
            int,
            Meta(
                ge=30,
                le=3600,
                description="For how many seconds the code is valid.",
                extra=rule("must be a number from 30 to 3600"),
            ),
        ]
        | None
    ) = None
    client: Client | None = None
    limits: OwnLimits | None = None
    webotp_host: HostName | None = None


class DeliveryView(msgspec.Struct, kw_only=True):
    """Neither code nor text is ever told."""

    id: str
    status: DeliveryStatus
    to: str
    channel: str
    purpose: str
    locale: str
    reference: str | None
    created_at: datetime
    expires_at: datetime
    messages: list[MessageView]
    guard: GuardView | None
    test: bool
    converted_at: datetime | None


def delivery_view(found: Verification) -> DeliveryView:
    found = disguised(found)
    public_id = delivery_id(found.id)
    return DeliveryView(
        id=public_id,
        status=found.delivery_status,
        to=found.phone,
        channel=found.channel,
        purpose=found.purpose,
        locale=found.locale,
        reference=found.reference or None,
        created_at=time_view(found.created_at),
        expires_at=time_view(found.expires_at),
        messages=[message_view(public_id, message, words=False) for message in found.messages],
        guard=guard_view(found.guard),
        test=found.test,
        converted_at=time_view(found.converted_at) if found.converted_at else None,
    )
