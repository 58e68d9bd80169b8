"""What a caller asks for when it starts a verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Order:
    """`to` as people write it; '' stands for the application's default. limits: words of the caller's own."""

    to: str = field(repr=False)
    channel: str = "sms"
    purpose: str = "verification"
    locale: str = ""
    reference: str = ""
    subject: str = field(default="", repr=False)
    client_ip: str = field(default="", repr=False)
    platform: str = ""
    limits: Mapping[str, str] = field(default_factory=dict, repr=False)

    def meaning(self, e164: str) -> list[str]:
        """What makes two orders the same, however the phone was written; for a keyed fingerprint."""
        *plain, limits = astuple(replace(self, to=e164))
        return [*plain, *(part for pair in sorted(limits.items()) for part in pair)]
