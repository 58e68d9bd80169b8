"""What a caller asks for when it starts a verification."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import astuple, replace

from otp_service.domain.value import Hidden, Value


class Order(Value):
    """`to` as people write it; '' stands for the application's default. limits: words of the caller's own."""

    to: Hidden[str]
    channel: str = "sms"
    purpose: str = "verification"
    locale: str = ""
    reference: str = ""
    subject: Hidden[str] = ""
    client_ip: Hidden[str] = ""
    platform: str = ""
    limits: Hidden[Mapping[str, str]] = msgspec.field(default_factory=dict)

    def meaning(self, e164: str) -> list[str]:
        """What makes two orders the same, however the phone was written; for a keyed fingerprint."""
        *plain, limits = astuple(replace(self, to=e164))
        return [*plain, *(part for pair in sorted(limits.items()) for part in pair)]
