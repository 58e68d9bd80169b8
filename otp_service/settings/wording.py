"""The texts of an application as its settings make them, and what is said about them at start and by `doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from otp_service.domain import mails, texts
from otp_service.domain.locales import FIRST, LOCALES
from otp_service.domain.mails import MailTemplate
from otp_service.domain.text_lint import Examined, examine
from otp_service.domain.texts import Texts
from otp_service.errors import SettingsError
from otp_service.settings.applications import Application, Locale

MOST_PARTS = 2
"""One more would be the price of three SMS for six digits."""

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(rf"https://((?:{_LABEL}\.)*(?!\d+\Z){_LABEL})")
_ANDROID_HASH = re.compile("[A-Za-z0-9+/]{11}")


def texts_of(application: Application) -> Texts:
    """Of an application that was checked (`refuse_unfit`)."""
    origin = _ORIGIN.fullmatch(application.webotp_origin)
    return Texts(
        application.brand,
        {locale: getattr(application.texts, locale).strip() or shipped for locale, shipped in texts.SHIPPED.items()},
        origin[1] if origin else "",
        application.android_hash,
        {
            locale: MailTemplate(
                *(getattr(own, each) or getattr(shipped, each) for each in ("subject", "text", "html"))
            )
            if (own := application.mail.get(cast(Locale, locale)))
            else shipped
            for locale, shipped in mails.SHIPPED.items()
        },
    )


def spoken(application: Application) -> list[str]:
    """The locales whose texts somebody chose, and the two that everybody has: these are looked at beforehand."""
    chosen = (*FIRST, application.locale)
    return [locale for locale in LOCALES if locale in chosen or getattr(application.texts, locale).strip()]


def refuse_unfit(name: str, application: Application) -> None:
    """Raises SettingsError naming the key of what cannot be sent."""
    where = f"applications.{name}"
    if fault := texts.brand_fault(application.brand):
        raise SettingsError(f"{where}.brand: {fault}")
    if application.webotp_origin and not _ORIGIN.fullmatch(application.webotp_origin):
        raise SettingsError(
            f"{where}.webotp_origin: must be https:// and a host in lower-case ASCII (xn--… for other letters),"
            " without port and path, as in https://login.example.ru"
        )
    if application.android_hash and not _ANDROID_HASH.fullmatch(application.android_hash):
        raise SettingsError(f"{where}.android_hash: must be the 11 characters (A–Z a–z 0–9 + /) for SMS Retriever")
    made = texts_of(application)
    for locale, template in made.templates.items():
        if fault := texts.template_fault(template):
            raise SettingsError(f"{where}.texts.{locale}: {fault}")
    for locale, mail in made.mails.items():
        if fault := mails.fault(mail):
            raise SettingsError(f"{where}.mail.{locale}.{fault}")
    for found in examine(made, application.code_length, spoken(application)):
        if found.size.parts > MOST_PARTS:
            locale = found.name.partition(" ")[0]
            raise SettingsError(f"{where}.texts.{locale}: {MOST_PARTS} parts are the most; here: {found.sentence}")


def examined(applications: Mapping[str, Application]) -> Iterator[tuple[str, Examined]]:
    """Every text of every application, under its name for people: `web ru webotp`."""
    for name, application in applications.items():
        for found in examine(texts_of(application), application.code_length, spoken(application)):
            yield f"{name} {found.name}", found
