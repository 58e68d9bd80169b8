"""What the SMS says: a template with three placeholders, and a last line for the machine that reads it along."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from msgspec import field
from msgspec.structs import replace

from otp_service.domain import mails
from otp_service.domain.locales import minutes
from otp_service.domain.mails import Mail, MailTemplate
from otp_service.domain.requests import Content
from otp_service.domain.value import Value

GATEWAY_CODE = "{код}"
"""Where a gateway that makes the code puts it (vendor document P)."""

SHIPPED: Mapping[str, str] = {
    "ru": "{code} — код для {brand}. Никому его не сообщайте.",
    "en": "{code} is your {brand} code. Do not share it with anyone.",
    "kk": "{code} — {brand} коды. Оны ешкімге айтпаңыз.",
    "uz": "{code} - {brand} uchun kod. Uni hech kimga aytmang.",
    "be": "{code} — код для {brand}. Нікому яго не паведамляйце.",
    "uk": "{code} — код для {brand}. Нікому його не повідомляйте.",
    "ky": "{code} — {brand} коду. Аны эч кимге айтпаңыз.",
    "hy": "{code} — Ձեր {brand} կոդն է։ Ոչ մեկին մի ասեք այն։",
    "az": "{code} - {brand} kodunuzdur. Heç kimə verməyin.",
    "tr": "{code} - {brand} kodunuz. Kimseyle paylaşmayın.",
    "de": "{code} ist Ihr Code für {brand}. Nicht weitergeben.",
    "fr": "{code} est votre code {brand}. Ne le communiquez pas.",
    "es": "{code} es tu clave de {brand}. No la compartas con nadie.",
    "pt": "{code} é o seu código {brand}. Não o compartilhe.",
    "it": "{code} è il tuo codice {brand}. Non condividerlo.",
    "pl": "{code} to kod {brand}. Nie podawaj go nikomu.",
}
PLACEHOLDERS = ("code", "brand", "minutes")
WALK_SECONDS = 15
"""A walk along a route takes some seconds: they do not turn five minutes into four."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Texts(Value):
    """The texts of one application.

    templates: locale → template without faults (`template_fault`). webotp_host: of the origin that may take the code
    over, '' for none. android_hash: of the app that may, 11 characters, '' for none.
    """

    brand: str
    templates: Mapping[str, str]
    webotp_host: str = ""
    android_hash: str = ""
    mails: Mapping[str, MailTemplate] = field(default_factory=lambda: mails.SHIPPED)

    def with_content(self, content: Content) -> Texts:
        """What of it the caller says otherwise."""
        if not (content.brand or content.webotp_host or content.android_hash):
            return self
        return replace(
            self,
            brand=content.brand or self.brand,
            webotp_host=content.webotp_host or self.webotp_host,
            android_hash=content.android_hash or self.android_hash,
        )

    @property
    def platforms(self) -> tuple[str, ...]:
        """Whose texts differ; '' is everybody else."""
        return "", *(["web"] if self.webotp_host else []), *(["android"] if self.android_hash else [])

    def render(self, locale: str, code: str, life_seconds: float, platform: str = "") -> str:
        """The text of one message; `code` may be `GATEWAY_CODE`. What is put in is never looked at for placeholders."""
        values = {"code": code, "brand": self.brand, "minutes": minutes(_whole_minutes(life_seconds), locale)}
        prose = _PLACEHOLDER.sub(lambda found: values[found[1]], self.templates[locale])
        line = self.last_line(platform, code)
        return f"{prose}\n{line}" if line else prose

    def mail(self, locale: str, code: str, life_seconds: float) -> tuple[Mail, str]:
        """A mail, and its plain text."""
        return mails.written(self.mails[locale], locale, code, self.brand, _whole_minutes(life_seconds))

    def last_line(self, platform: str, code: str) -> str:
        """For a browser: the origin-bound code (WICG, sms-one-time-codes, "Message format"): `@host #code`.

        For an Android app: the hash by which SMS Retriever finds it (Google, "Perform SMS verification on a server").
        """
        if platform == "web" and self.webotp_host:
            return f"@{self.webotp_host} #{code}"
        return self.android_hash if platform == "android" else ""

    def repeats_code(self, platform: str) -> bool:
        """The code stands in the text twice: a gateway that makes it itself is asked to place it only once."""
        return platform == "web" and bool(self.webotp_host)


def template_fault(template: str) -> str:
    """Why it cannot be used, as a sentence without its subject; '' if it can."""
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            return f"there is no placeholder {{{name}}}; there are {known}"
    if re.search("[{}]", _PLACEHOLDER.sub("", template)):
        return "a brace that belongs to no placeholder"
    if template.count("{code}") != 1:
        return "needs {code} exactly once; the last line with the code, where there is one, comes by itself"
    return character_fault(template.replace("\n", ""))


def brand_fault(brand: str) -> str:
    """As `template_fault`. A brand is one line and holds nothing that looks like a placeholder."""
    if brand != brand.strip() or "{" in brand or "}" in brand:
        return "braces, and blanks at an end, have no place in it"
    return character_fault(brand)


def character_fault(text: str) -> str:
    """A character that no text may hold: control and format characters, separators of lines, private ones; a backslash.

    The XML API of TargetSMS reads the two characters `\\n` as a line break, so a backslash could make a last line.
    """
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "C" or category in ("Zl", "Zp") or character == "\\":
            name = unicodedata.name(character, "a control character")
            return f"holds U+{ord(character):04X} ({name}), which has no place in an SMS"
    return ""


def _whole_minutes(seconds: float) -> int:
    return max(1, int(seconds + WALK_SECONDS) // 60)
