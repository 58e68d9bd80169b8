"""What can be set for the ways in which others call an application: deliveries, hooks, the Twilio facade."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.secret import Secrets
from otp_service.settings.section import END, Section

HookPurpose = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}" + END)]
Ttl = Annotated[int, Meta(ge=30, le=3600)]


class Deliveries(Section, frozen=True):
    text: bool = False
    """Whole texts may be handed over, not only codes."""
    conversions: bool = False
    """Promises to report which codes were entered; then the guard judges deliveries, too."""


class Hook(Section, frozen=True):
    """One hook. The table opens it; an empty one is enough."""

    ttl_seconds: Ttl | None = None
    """How long a code is good; None: as the request says, or the application's."""
    text: Literal["ours", "theirs"] = "ours"
    """Where both come: the application's text with their code, or their text as it is."""
    purpose: HookPurpose = "login"


class SupabaseHook(Hook, frozen=True, kw_only=True):
    secret: Secrets
    """`v1,whsec_…` or `whsec_…`; a list for rotation."""


class ZitadelHook(Hook, frozen=True):
    signing_key: Secrets | None = None
    """Without it an API key is needed."""


class Hooks(Section, frozen=True):
    supabase: SupabaseHook | None = None
    kratos: Hook | None = None
    authentik: Hook | None = None
    keycloak: Hook | None = None
    logto: Hook | None = None
    zitadel: ZitadelHook | None = None
    supertokens: Hook | None = None
    privacyidea: Hook | None = None
    linotp: Hook | None = None


class Twilio(Section, frozen=True):
    """The Twilio Verify facade of one application."""

    enabled: bool = True
    account_sid: Annotated[str, Meta(pattern=r"^(AC[0-9a-f]{32})?" + END)] = ""
    service_sid: Annotated[str, Meta(pattern=r"^(VA[0-9a-f]{32})?" + END)] = ""
    custom_code: bool = False
    manual_approval: bool = False
    custom_friendly_name: bool = False
    risk_check_disable: bool = False
    auth_token: Secrets | None = None
    """Signs webhooks in Twilio's manner; the first of a list signs."""
