"""Every public field of second factors that comes in; what goes out is in factors.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from otp_service.domain import factors, totp
from otp_service.domain.codes import LONGEST_TYPED
from otp_service.schemas.incoming import Incoming, rule
from otp_service.schemas.verifications import SubjectText
from otp_service.settings.section import END
from otp_service.visible import STEERING

_ALL_SEEN = "Nothing that breaks a line, cannot be seen or turns the direction of a text."
_ONE_LINE = rf"^[^\t\n{STEERING}]*" + END
"""Apps and pages show it: nothing that turns a line around or cannot be seen."""
Name = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=_ONE_LINE,
        description=f"Your name for this authenticator, to tell several of one person apart. {_ALL_SEEN}",
        examples=["Work phone"],
        extra=rule("must be text of up to 64 characters in one line, for example `Work phone`"),
    ),
]
Label = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=_ONE_LINE,
        description=f"Name of the account, as the authenticator app shows it; the subject if absent. {_ALL_SEEN}",
        examples=["anna"],
        extra=rule("must be text of up to 64 characters in one line, for example `anna`"),
    ),
]
Issuer = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=rf"^[^:\t\n{STEERING}]*" + END,
        description="Name of your service, as the authenticator app shows it; the application's brand if absent. "
        f"No `:`. {_ALL_SEEN}",
        examples=["Example"],
        extra=rule("must be text of up to 64 characters in one line without `:`, for example `Example`"),
    ),
]
TotpCode = Annotated[
    str,
    Meta(
        max_length=LONGEST_TYPED,
        description="6 to 8 digits, as the person typed them: blanks, hyphens and dots between them are dropped.",
        examples=["123456"],
        extra=rule("must be the 6 to 8 digits of the authenticator app, for example `123456`", totp.read),
    ),
]
AnyCode = Annotated[
    str,
    Meta(
        max_length=LONGEST_TYPED,
        description="What the person typed: a TOTP code, or a backup code in any case, with hyphens or without.",
        examples=["123456", "ABCD-EFGH-JKMN"],
        extra=rule(
            "must be the 6 to 8 digits of the authenticator app, for example `123456`, or a backup code, for example "
            "`ABCD-EFGH-JKMN`",
            factors.read,
        ),
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
    uri: (
        Annotated[
            str,
            Meta(
                max_length=1024,
                extra=rule("must be an otpauth URI, for example `otpauth://totp/Example:anna?secret=JBSWY3DPEHPK3PXP`"),
            ),
        ]
        | None
    ) = None
    secret: (
        Annotated[str, Meta(max_length=256, extra=rule("must be a secret in base32, for example `JBSWY3DPEHPK3PXP`"))]
        | None
    ) = None
    name: Name | None = None
    label: Label | None = None
    issuer: Issuer | None = None
    digits: Literal[6, 7, 8] | None = None
    algorithm: Literal["SHA1", "SHA256", "SHA512"] | None = None
    period: Literal[30, 60] | None = None
    encoding: Literal["base32", "hex", "base64", "raw"] | None = None


class ImportTotp(Incoming):
    """Rows, or a CSV with a header line; up to 500, those of the CSV counted on from the rows."""

    rows: Annotated[list[ImportRow], Meta(max_length=500, extra=rule("must be a list of up to 500 rows"))] = (
        msgspec.field(default_factory=list)
    )
    csv: Annotated[str, Meta(max_length=60_000, extra=rule("must be the text of a CSV of up to 60,000 characters"))] = (
        ""
    )
