"""What can be set, with types, bounds and defaults. docs/settings.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from otp_service.domain.networks import Network
from otp_service.domain.secret import Secret, Secrets

END = r"$(?!\n)"
"""End of a pattern; Python's `$` alone also matches before a trailing newline."""
Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}" + END)]
"""ISO 3166-1 alpha-2."""
Pause = Annotated[int, Meta(ge=0, le=600)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a misspelt key in it is refused."""


class Service(Section, frozen=True):
    secret: Secrets
    """The root secret, or a list with the current one first. 32 characters or more each."""
    environment: Literal["production", "development"] = "production"
    public_url: str = "http://127.0.0.1:8000"
    stop_delay_seconds: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """After SIGTERM, while balancers learn from readiness that they should send elsewhere."""


class Http(Section, frozen=True):
    trusted_proxies: tuple[Network, ...] = ()
    """Who may say in X-Forwarded-For for whom it asks."""
    max_connections: Annotated[int, Meta(ge=16, le=65_536)] = 1024
    """Of one process; one more hears 503 and is closed."""


class Redis(Section, frozen=True):
    url: str = "embedded:./data"
    confirm_replicas: Annotated[int, Meta(ge=0, le=5)] = 0
    allow_no_persistence: bool = False
    allow_factors_without_persistence: bool = False
    max_connections: Annotated[int, Meta(ge=4, le=4096)] = 256
    timeout_seconds: Annotated[float, Meta(ge=0.05, le=10)] = 0.8


class Hashing(Section, frozen=True):
    """Cost of one argon2id computation and the bounds of the pool that runs them (docs/adr/0003)."""

    memory_kib: Annotated[int, Meta(ge=1024, le=1_048_576)] = 4096
    time_cost: Annotated[int, Meta(ge=1, le=16)] = 1
    parallelism: Annotated[int, Meta(ge=1, le=8)] = 1
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """0: one per core."""
    queue: Annotated[int, Meta(ge=1, le=10_000)] = 256
    """Checks that may wait for a thread; one more hears 503."""


class Route(Section, frozen=True):
    gateways: Annotated[tuple[str, ...], Meta(min_length=1)]
    deadline_seconds: Annotated[float, Meta(ge=2, le=60)] = 12.0
    reserve_seconds: Annotated[float, Meta(ge=0.1, le=30)] = 3.0
    """Kept for each gateway still to come."""
    failover_after_seconds: Annotated[int, Meta(ge=0, le=600)] = 30


class Webhook(Section, frozen=True):
    url: str
    secret: Secrets
    events: tuple[str, ...] = ("*",)


class Templates(Section, frozen=True):
    """Own templates by locale; "" for the shipped one."""

    ru: Annotated[str, Meta(max_length=400)] = ""
    en: Annotated[str, Meta(max_length=400)] = ""


class Application(Section, frozen=True):
    brand: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+" + END)] = ""
    region: Region = "RU"
    countries: Annotated[tuple[Region, ...], Meta(min_length=1)] = ("RU",)
    locale: Literal["ru", "en"] = "ru"
    texts: Templates = Templates()
    webotp_origin: str = ""
    """An https origin, on whose pages a browser offers the code; '' for none."""
    android_hash: str = ""
    """By which SMS Retriever finds the app that may; '' for none."""
    code_length: Annotated[int, Meta(ge=4, le=10)] = 6
    ttl_seconds: Annotated[int, Meta(ge=120, le=600)] = 300
    max_attempts: Annotated[int, Meta(ge=1, le=10)] = 5
    max_sends: Annotated[int, Meta(ge=1, le=10)] = 5
    resend_pause_seconds: Annotated[tuple[Pause, ...], Meta(min_length=1)] = (30, 60, 120, 240)
    totp_window: Annotated[int, Meta(ge=0, le=4)] = 1
    """Steps of 30 s either way that a TOTP code may be off; 0 is strict (OWASP ASVS 5.0 6.5.5)."""
    enumeration_safe: bool = False
    """A start answers the same whether or not the phone is refused."""
    number_info: str = ""
    """The `targetsms-xml` gateway that is asked for operator and region of a phone; '' for none."""
    webhooks: tuple[Webhook, ...] = ()


class Webhooks(Section, frozen=True):
    allow_networks: tuple[str, ...] = ()


class Tracing(Section, frozen=True):
    endpoint: Annotated[str, Meta(pattern=r"^($|https?://[^\s/@]+/\S*)" + END)] = ""
    """OTLP over HTTP, with its path; empty: no traces."""
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of the traces that begin here; a caller's trace follows the caller's decision."""


class Worker(Section, frozen=True):
    in_serve: bool = True
    """`serve` runs a worker beside HTTP; false where `otp-service worker` runs elsewhere."""


class Retention(Section, frozen=True):
    ended_seconds: Annotated[int, Meta(ge=600, le=2_592_000)] = 86_400
    """How long a compact record stays after a verification's end, for status questions."""
    events_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 259_200
    """How long events can be told and listed; 0: none are kept, and there are no webhooks."""
    audit_seconds: Annotated[int, Meta(ge=86_400, le=315_360_000)] = 31_536_000
    """How long an entry of the audit log stays."""


@dataclass(frozen=True, slots=True)
class Settings:
    service: Service
    http: Http
    redis: Redis
    hashing: Hashing
    worker: Worker
    tracing: Tracing
    retention: Retention
    webhooks: Webhooks
    routes: Mapping[str, Route]
    applications: Mapping[str, Application]
    gateways: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Raw tables; `gateways.registry` converts each to the config of its kind."""
    bootstrap_api_key: Secret | None = None
    credentials: frozenset[str] = field(default=frozenset(), repr=False)
    """Every secret string in use, for the log's redaction."""
    digest: str = field(default="", repr=False)
    """SHA-256 of all that was set, secrets included: key it before it is shown to anybody."""


SECTIONS: Mapping[str, type[Section]] = {
    "service": Service,
    "http": Http,
    "redis": Redis,
    "hashing": Hashing,
    "worker": Worker,
    "tracing": Tracing,
    "retention": Retention,
    "webhooks": Webhooks,
}
FAMILIES: Mapping[str, type[Section]] = {"routes": Route, "applications": Application}
"""Tables of named tables; `gateways` is one too, read by `gateways.registry`."""
