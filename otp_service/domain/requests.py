"""What a caller asks for when it starts a verification, or hands over a code of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import asdict

from otp_service.domain.value import Hidden, Value
from otp_service.domain.workflows import Step, Way, encode


class Content(Value):
    """What a message says instead of the application's own words; kept sealed, and removed at the end.

    code: the caller's own. text: a whole message, which no code is put into. brand, webotp_host, android_hash: as of
    `Texts`; '' for the application's.
    """

    code: Hidden[str] = ""
    text: Hidden[str] = ""
    brand: str = ""
    webotp_host: str = ""
    android_hash: str = ""

    @property
    def is_whole(self) -> bool:
        """A gateway that makes codes has nothing to do with it."""
        return bool(self.code or self.text)


OWN_WORDS = Content()
"""The application's: nothing is said otherwise."""


class Bucket(Value):
    """A limit that a caller made at run time, as it meets one request. key: of its counter, not yet keyed."""

    name: str
    key: Hidden[tuple[str, ...]]
    quota: int
    window_seconds: int


class StartRequest(Value):
    """`to` as people write it; '' stands for the application's default. limits: words of the caller's own.

    client_trusted: 'true', 'false', or '' where the caller does not say. challenge_passed: by the person, as the caller
    saw.
    """

    to: Hidden[str]
    channel: str = "sms"
    purpose: str = "verification"
    locale: str = ""
    reference: str = ""
    subject: Hidden[str] = ""
    client_ip: Hidden[str] = ""
    platform: str = ""
    limits: Hidden[Mapping[str, str]] = msgspec.field(default_factory=dict)
    client_device: Hidden[str] = ""
    client_ja4: Hidden[str] = ""
    client_trusted: str = ""
    challenge_passed: bool = False
    delivery: bool = False
    """The caller made the code, and judges it."""
    content: Hidden[Content] = OWN_WORDS
    ttl_seconds: int = 0
    code_length: int = 0
    service: str = ""
    """The Twilio service that it belongs to; '' for none."""
    tags: Hidden[Mapping[str, str]] = msgspec.field(default_factory=dict)
    """The caller's own words, told in events."""
    unguarded: bool = False
    """The pumping guard lets it pass."""
    buckets: Sequence[Bucket] = ()
    seen: str | None = None
    """As of `VerificationStore.start`: none is made where others began one since. Raises Refused `raced`."""
    key_seconds: int = 86_400
    """How long its Idempotency-Key is known."""
    steps: Sequence[Step] = ()
    """Of the channel `auto`, where the request has its own."""

    @property
    def way(self) -> Way:
        return Way(self.channel, self.steps)

    def meaning(self, e164: str) -> list[str]:
        """What makes two requests the same, however the phone was written; for a keyed fingerprint.

        What came later is named, and left out where it says nothing: a repeat that another version answers is the same.
        """
        later = {
            "client.device": self.client_device, "client.ja4": self.client_ja4, "client.trusted": self.client_trusted,
            "client.challenge": "passed" if self.challenge_passed else "", "delivery": "yes" if self.delivery else "",
            "ttl": str(self.ttl_seconds or ""), "service": self.service, "steps": encode(self.steps),
            **{f"content.{name}": value for name, value in asdict(self.content).items()},
            **{f"tag.{name}": value for name, value in sorted(self.tags.items())},
        }  # fmt: skip
        return [
            e164, self.channel, self.purpose, self.locale, self.reference, self.subject, self.client_ip, self.platform,
            *(part for pair in sorted(self.limits.items()) for part in pair),
            *(f"{name}={value}" for name, value in later.items() if value),
        ]  # fmt: skip
