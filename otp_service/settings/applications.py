"""What can be set for one application, with types, bounds and defaults. docs/settings.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain import limits
from otp_service.domain.secret import Secrets
from otp_service.domain.workflows import MOST_STEPS, Step
from otp_service.settings.integrations import Deliveries, Hooks, Twilio
from otp_service.settings.section import END, Section

Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}" + END)]
"""ISO 3166-1 alpha-2."""
NumberType = Literal[
    "fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "premium_rate", "shared_cost", "voip",
    "personal_number", "pager", "uan", "voicemail", "unknown",
]  # fmt: skip
GuardMode = Literal["off", "shadow", "auto", "enforce"]
Locale = Literal["ru", "en", "kk", "uz", "be", "uk", "ky", "hy", "az", "tr", "de", "fr", "es", "pt", "it", "pl"]
Template = Annotated[str, Meta(max_length=400)]
Pause = Annotated[int, Meta(ge=0, le=600)]


class Webhook(Section, frozen=True):
    url: str
    secret: Secrets
    events: tuple[str, ...] = ("*",)


class Templates(Section, frozen=True):
    """Own templates by locale; "" for the shipped one."""

    ru: Template = ""
    en: Template = ""
    kk: Template = ""
    uz: Template = ""
    be: Template = ""
    uk: Template = ""
    ky: Template = ""
    hy: Template = ""
    az: Template = ""
    tr: Template = ""
    de: Template = ""
    fr: Template = ""
    es: Template = ""
    pt: Template = ""
    it: Template = ""
    pl: Template = ""


class MailTexts(Section, frozen=True):
    """Own templates of mails; "" for the shipped one."""

    subject: Annotated[str, Meta(max_length=200)] = ""
    text: Annotated[str, Meta(max_length=4000)] = ""
    html: Annotated[str, Meta(max_length=20_000)] = ""


class Workflow(Section, frozen=True):
    """What the channel `auto` is."""

    steps: Annotated[tuple[Step, ...], Meta(max_length=MOST_STEPS)] = ()


class Inbound(Section, frozen=True):
    """SMS that people send us, as `[inbound]`."""

    number: Annotated[str, Meta(pattern=r"^($|\+?[0-9]{3,15})" + END)] = ""
    """Where they send them to; "" for nowhere."""
    prefix: Annotated[str, Meta(pattern=r"^[0-9A-Za-zА-Яа-яЁё]{0,20}" + END)] = ""
    """The word that a number shared with others wants first."""


class Limit(Section, frozen=True):
    """How often something may happen in a window that slides."""

    per: Annotated[tuple[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}" + END)], ...], Meta(min_length=1)]
    """Counted apart for each combination of these. A request that does not name one of them is not counted."""
    quota: Annotated[int, Meta(ge=0, le=10_000_000)]
    """0 switches the limit off."""
    window_seconds: Annotated[int, Meta(ge=1, le=2_592_000)]
    of: Literal["sends", "unverified_sends", "wrong_codes", "deliveries", "inbound_starts"] = "unverified_sends"
    sentence: Annotated[str, Meta(max_length=200)] = ""

    @property
    def told(self) -> str:
        """What the refused caller reads."""
        return self.sentence or limits.sentence(self.per, self.quota, self.window_seconds, self.of)


class Application(Section, frozen=True):
    brand: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+" + END)] = ""
    region: Region = "RU"
    countries: Annotated[tuple[Region, ...], Meta(min_length=1)] = ("RU",)
    locale: Locale = "ru"
    texts: Templates = Templates()
    mail: Mapping[Locale, MailTexts] = {}
    workflow: Workflow = Workflow()
    assurance: Literal["held", "claimed"] = "held"
    """The least that it takes for an approval: `claimed` opens the channel `inbound`."""
    webotp_origin: str = ""
    """An https origin, on whose pages a browser offers the code; '' for none."""
    android_hash: str = ""
    """By which SMS Retriever finds the app that may; '' for none."""
    code_length: Annotated[int, Meta(ge=4, le=10)] = 6
    codes: Literal["shared", "per_message"] = "shared"
    """per_message: each message carries a code of its own, and all of them are good."""
    ttl_seconds: Annotated[int, Meta(ge=5, le=600)] = 300
    """Below 120 in development only, to see a code expire."""
    max_attempts: Annotated[int, Meta(ge=1, le=10)] = 5
    max_sends: Annotated[int, Meta(ge=1, le=10)] = 5
    resend_pause_seconds: Annotated[tuple[Pause, ...], Meta(min_length=1)] = (30, 60, 120, 240)
    totp_window: Annotated[int, Meta(ge=0, le=4)] = 1
    """Steps of 30 s either way that a TOTP code may be off; 0 is strict (OWASP ASVS 5.0 6.5.5)."""
    enumeration_safe: bool = False
    """A start answers the same whether or not the phone is refused."""
    number_info: str = ""
    """The gateway that is asked for operator and region of a phone; '' for none."""
    webhooks: tuple[Webhook, ...] = ()
    refuse_number_types: tuple[NumberType, ...] = (
        "fixed_line", "toll_free", "premium_rate", "shared_cost", "pager", "voicemail", "uan",
    )  # fmt: skip
    limits: tuple[str, ...] = ("*",)
    """Names of the limits that it has; `*` for all."""
    guard: GuardMode | None = None
    """None: that of `[guard]`."""
    budget_per_day: str | int = ""
    """Roubles, as in "5000" or "4999.50"; none if it is not given."""
    deliveries: Deliveries = Deliveries()
    hooks: Hooks = Hooks()
    twilio: Twilio = Twilio()
    alarm_code_length: Annotated[int, Meta(ge=0, le=10)] = 0
    """Digits of new codes while the alarm on wrong codes is raised; 0: as ever."""
