"""Every public field of second factors that comes in; what goes out is in factor_views.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from otp_service.api.schemas import Incoming, SubjectText
from otp_service.settings.section import END

Text = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*" + END)]
Name = Annotated[Text, Meta(description="Tells several authenticators of a person apart.", examples=["Work phone"])]
Label = Annotated[
    Text, Meta(description="The account as the authenticator app shows it; the subject if absent.", examples=["anna"])
]
Issuer = Annotated[
    str,
    Meta(
        max_length=64, pattern=r"^[^:\x00-\x1f\x7f]*" + END, description="Who asks; the application's brand if absent."
    ),
]
TotpCode = Annotated[
    str, Meta(pattern=r"^([0-9]{6}|[0-9]{8})" + END, description="6 or 8 ASCII digits.", examples=["123456"])
]
_CHARACTERS = "[2-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{4}"
AnyCode = Annotated[
    str,
    Meta(
        pattern=rf"^([0-9]{{3}} ?[0-9]{{3}}|[0-9]{{4}} ?[0-9]{{4}}|{_CHARACTERS}[ -]?{_CHARACTERS}[ -]?{_CHARACTERS})"
        + END,
        description="What the person typed: a TOTP code, or a backup code, in any case and with or without hyphens.",
        examples=["123456", "ABCD-EFGH-JKMN"],
    ),
]


class EnrolTotp(Incoming):
    subject: SubjectText
    name: Name | None = None
    label: Label | None = None
    issuer: Issuer | None = None
    digits: Literal[6, 8] = 6
    algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1"


class TotpCheck(Incoming):
    """`subject`, where given, must be that of the factor; else it is not found and costs nothing."""

    code: TotpCode
    subject: SubjectText | None = None


class OfSubject(Incoming):
    subject: SubjectText


class SubjectCheck(Incoming):
    code: AnyCode


class ImportRow(Incoming):
    """One authenticator: the subject, and either an otpauth URI or a base32 secret."""

    subject: SubjectText
    uri: Annotated[str, Meta(max_length=1024)] | None = None
    secret: Annotated[str, Meta(max_length=256)] | None = None
    name: Name | None = None
    label: Label | None = None
    issuer: Issuer | None = None
    digits: Literal[6, 8] | None = None
    algorithm: Literal["SHA1", "SHA256", "SHA512"] | None = None


class ImportTotp(Incoming):
    """Rows, or a CSV with a header line; up to 500, those of the CSV counted on from the rows."""

    rows: Annotated[list[ImportRow], Meta(max_length=500)] = msgspec.field(default_factory=list)
    csv: Annotated[str, Meta(max_length=60_000)] = ""
