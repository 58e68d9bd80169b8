"""What can be set, with types, bounds and defaults. docs/settings.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta

from otp_service.domain.codes import OF_CODES, OWASP, Cost
from otp_service.domain.networks import Network
from otp_service.domain.secret import Secret, Secrets
from otp_service.domain.value import Hidden, Value
from otp_service.settings.applications import Application, GuardMode, Inbound, Limit
from otp_service.settings.section import END, Section


class Service(Section, frozen=True):
    secret: Secrets
    """The root secret, or a list with the current one first. 32 characters or more each."""
    environment: Literal["production", "development"] = "production"
    public_url: str = "http://127.0.0.1:8000"
    stop_delay_seconds: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """How long to go on serving after SIGTERM, until balancers have learned from readiness to send elsewhere."""


class Http(Section, frozen=True):
    trusted_proxies: tuple[Network, ...] = ()
    """Proxies whose X-Forwarded-For is believed."""
    max_connections: Annotated[int, Meta(ge=16, le=65_536)] = 1024
    """Per process. Further connections are answered with 503 and closed."""
    max_connections_per_address: Annotated[int, Meta(ge=0, le=65_536)] = 512
    """Per process and peer, trusted proxies excepted; 0: no limit."""
    keep_alive_seconds: Annotated[float, Meta(ge=1, le=3600)] = 75.0
    """How long an idle connection stays open; longer than proxies keep theirs, which is 60 s for most."""


class Redis(Section, frozen=True):
    url: str = "embedded:./data"
    confirm_replicas: Annotated[int, Meta(ge=0, le=5)] = 0
    allow_no_persistence: bool = False
    allow_factors_without_persistence: bool = False
    max_connections: Annotated[int, Meta(ge=4, le=4096)] = 256
    timeout_seconds: Annotated[float, Meta(ge=0.05, le=10)] = 0.8
    wait_at_start_seconds: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """For a Redis that starts or fails over beside us, before a start is given up."""


class Hashing(Section, frozen=True):
    """Cost of one argon2id computation and the bounds of the pool that runs them (docs/adr/0003, 0021)."""

    profile: Literal["code", "owasp"] = "code"
    """The cost of codes that live for minutes: `code` 1 MiB and one pass, `owasp` its least for passwords. Each of the
    next three wins over its part of it."""
    memory_kib: Annotated[int, Meta(ge=1024, le=1_048_576)] | None = None
    time_cost: Annotated[int, Meta(ge=1, le=16)] | None = None
    parallelism: Annotated[int, Meta(ge=1, le=8)] | None = None
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """0: one per core."""
    queue: Annotated[int, Meta(ge=1, le=10_000)] = 256
    """Checks that may wait for a thread; further ones are answered with 503."""

    @property
    def cost(self) -> Cost:
        of_profile = OWASP if self.profile == "owasp" else OF_CODES
        return Cost(
            self.memory_kib or of_profile.memory_kib,
            self.time_cost or of_profile.time_cost,
            self.parallelism or of_profile.parallelism,
        )


class Route(Section, frozen=True):
    gateways: Annotated[tuple[str, ...], Meta(min_length=1)]
    deadline_seconds: Annotated[float, Meta(ge=2, le=60)] = 12.0
    reserve_seconds: Annotated[float, Meta(ge=0.1, le=30)] = 3.0
    """Time that is kept back for each gateway that has not been asked yet."""
    failover_after_seconds: Annotated[int, Meta(ge=0, le=600)] = 30
    failover_delay: Literal["learned", "fixed"] = "learned"
    """learned: earlier, as soon as a message is later than its gateway usually is."""
    order: Literal["fixed", "shadow", "learned"] = "shadow"
    """learned: gateways whose messages lead to approvals are asked first. shadow: that order is only recorded."""
    max_extra_roubles: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """How much more than with the first gateway of the route a part may cost, when another one is asked first."""


PRIVATE = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""This machine, and networks that nobody routes (RFC 1918, 4193, 4291, 6598)."""
PhonesOrNetwork = Annotated[str, Meta(pattern=r"^(\+[0-9]{1,15}|@[a-z0-9.-]{1,253}|[0-9a-fA-F:.]+/[0-9]{1,3})" + END)]
"""How phones begin, as in +7916123, the domain of addresses, as in @example.com, or a network, as in 203.0.113.0/24."""


class Webhooks(Section, frozen=True):
    allow_networks: tuple[Network, ...] = ()


class Tracing(Section, frozen=True):
    endpoint: Annotated[str, Meta(pattern=r"^($|https?://[^\s/@]+/\S*)" + END)] = ""
    """OTLP over HTTP, with its path; empty: no traces."""
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of the traces that begin here; a caller's trace follows the caller's decision."""


class Worker(Section, frozen=True):
    in_serve: bool = True
    """`serve` runs a worker beside HTTP; false where `otp-service worker` runs elsewhere."""
    patience_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """For so long a due job is left to other workers."""


class Guard(Section, frozen=True):
    """The SMS pumping guard (domain/pumping.py has the arithmetic), and the alarm on wrong codes."""

    mode: GuardMode = "auto"
    plain_evidence: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """From so many times a budget on, mode `auto` wants a challenge passed."""
    unverified_per_approval: Annotated[float, Meta(ge=0, le=100)] = 5.0
    block_floor: Annotated[int, Meta(ge=0, le=100_000)] = 12
    row_floor: Annotated[int, Meta(ge=0, le=100_000)] = 4
    ip_floor: Annotated[int, Meta(ge=0, le=100_000)] = 20
    provider_floor: Annotated[int, Meta(ge=0, le=1_000_000)] = 60
    device_floor: Annotated[int, Meta(ge=0, le=100_000)] = 20
    ja4_floor: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    domain_floor: Annotated[int, Meta(ge=0, le=1_000_000)] = 60
    """Of the domain of an address."""
    country_floor: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    """Of a foreign one."""
    region_floor: Annotated[int, Meta(ge=0, le=1_000_000)] = 40
    """Of the application's own country as a whole, and of the strangers in it."""
    region_per_approval: Annotated[float, Meta(ge=0, le=100)] = 3.0
    region_memory_minutes: Annotated[int, Meta(ge=1, le=43_200)] = 60
    verified_floor: Annotated[int, Meta(ge=0, le=100_000)] = 30
    """Of one number that the right code came from."""
    memory_hours: Annotated[int, Meta(ge=1, le=720)] = 72
    verified_days: Annotated[int, Meta(ge=0, le=3650)] = 180
    """How long a number passes that the right code came from."""
    allow: tuple[PhonesOrNetwork, ...] = ()
    block: tuple[PhonesOrNetwork, ...] = ()
    wrong_codes_floor: Annotated[int, Meta(ge=1, le=10_000_000)] = 300
    wrong_codes_per_approval: Annotated[float, Meta(ge=0, le=100)] = 1.0
    wrong_codes_memory_seconds: Annotated[int, Meta(ge=10, le=86_400)] = 600


class Money(Section, frozen=True):
    time_zone: str = "Europe/Moscow"
    """Of the day that budgets are for; a name of the IANA list."""
    warning_percent: Annotated[int, Meta(ge=1, le=100)] = 80


class TestNumber(Section, frozen=True):
    """A phone that gets no message and has a fixed code."""

    phone: str
    code: Annotated[str, Meta(pattern=r"^[0-9]{4,10}" + END)]
    until: date
    """Its last day, UTC."""


class Testing(Section, frozen=True):
    numbers: tuple[TestNumber, ...] = ()
    in_production: bool = False


class Retention(Section, frozen=True):
    ended_seconds: Annotated[int, Meta(ge=600, le=2_592_000)] = 86_400
    """How long a compact record stays after a verification's end, for status questions."""
    events_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 259_200
    """How long events can be told and listed; 0: none are kept, and there are no webhooks."""
    audit_seconds: Annotated[int, Meta(ge=86_400, le=315_360_000)] = 31_536_000
    """How long an entry of the audit log stays."""


class Console(Section, frozen=True):
    """The operator's pages under /console."""

    enabled: bool = True
    networks: tuple[Network, ...] = tuple(map(Network.parse, PRIVATE))
    """Where it may be opened from; empty for anywhere."""
    trusted_header: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{0,64}" + END)] = ""
    """In which a trusted proxy names the operator who has signed in there; empty: nobody is believed."""
    idle_minutes: Annotated[int, Meta(ge=1, le=480)] = 30
    session_hours: Annotated[int, Meta(ge=1, le=24)] = 12


class Statistics(Section, frozen=True):
    """For how long they are kept; what they count is in docs/statistics.md."""

    hours_days: Annotated[int, Meta(ge=1, le=400)] = 90
    """Days for which each hour is kept."""
    days_days: Annotated[int, Meta(ge=31, le=3660)] = 1095
    """Days for which each day is kept."""


class Reports(Section, frozen=True):
    """The weekly report, by mail; as an event it is told in any case."""

    to: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,189}" + END)], ...], Meta(max_length=20)
    ] = ()
    gateway: str = ""
    """Of the kind `smtp`."""
    locale: Literal["ru", "en"] = "ru"


class Settings(Value):
    service: Service
    http: Http
    redis: Redis
    hashing: Hashing
    worker: Worker
    tracing: Tracing
    retention: Retention
    statistics: Statistics
    reports: Reports
    webhooks: Webhooks
    guard: Guard
    money: Money
    testing: Testing
    console: Console
    routes: Mapping[str, Route]
    applications: Mapping[str, Application]
    limits: Mapping[str, Limit]
    inbound: Inbound
    gateways: Hidden[Mapping[str, Mapping[str, Any]]]
    """Raw tables; `gateways.registry` converts each to the config of its kind."""
    bootstrap_api_key: Secret | None = None
    credentials: Hidden[frozenset[str]] = frozenset()
    """Every secret string in use, for the log's redaction."""
    digest: Hidden[str] = ""
    """SHA-256 of all that was set, secrets included: key it before it is shown to anybody."""


SECTIONS: Mapping[str, type[Section]] = {
    "service": Service,
    "http": Http,
    "redis": Redis,
    "hashing": Hashing,
    "worker": Worker,
    "tracing": Tracing,
    "retention": Retention,
    "statistics": Statistics,
    "reports": Reports,
    "webhooks": Webhooks,
    "guard": Guard,
    "money": Money,
    "testing": Testing,
    "inbound": Inbound,
    "console": Console,
}
FAMILIES: Mapping[str, type[Section]] = {"routes": Route, "applications": Application, "limits": Limit}
"""Tables of named tables; `gateways` is one too, read by `gateways.registry`."""
