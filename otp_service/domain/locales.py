"""The languages that texts are shipped in: how a locale is chosen, and how minutes are counted in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

LOCALES = ("ru", "en", "kk", "uz", "be", "uk", "ky", "hy", "az", "tr", "de", "fr", "es", "pt", "it", "pl")
FIRST = ("ru", "en")
"""What versions before 0.2 speak."""
LONGEST = 35
"""Of a language tag that has to be taken (RFC 5646 §4.4.1)."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_SIGNS = _LETTERS | frozenset("0123456789")


def nearest(tag: str) -> str:
    """The shipped locale for a language tag (BCP 47), as in `pt-BR` → `pt`; '' for a language that is not shipped.

    Case does not matter, and `_` is read as `-`. Raises ValueError for what is no language tag.
    """
    language, *subtags = tag.lower().replace("_", "-").split("-")
    if len(tag) > LONGEST or not 2 <= len(language) <= 8 or not _LETTERS.issuperset(language):
        raise ValueError("not a language tag")
    if not all(1 <= len(each) <= 8 and _SIGNS.issuperset(each) for each in subtags):
        raise ValueError("not a language tag")
    return language if language in LOCALES else ""


def nearest_or_none(tag: str) -> str:
    """As `nearest`, for tags from elsewhere: '' also for what is none."""
    try:
        return nearest(tag)
    except ValueError:
        return ""


def stored_as(locale: str) -> str:
    """What versions before 0.2 find instead of a language that they do not speak."""
    return locale if locale in FIRST else "en"


def _russian(count: int) -> str:
    """Of be, ru and uk."""
    if count % 10 == 1 and count % 100 != 11:
        return "one"
    return "few" if count % 10 in range(2, 5) and count % 100 not in range(12, 15) else "many"


def _polish(count: int) -> str:
    return "one" if count == 1 else "few" if _russian(count) == "few" else "many"


def _english(count: int) -> str:
    return "one" if count == 1 else "other"


def _french(count: int) -> str:
    """Of fr, hy and pt."""
    return "one" if count in (0, 1) else "other"


PLURALS: Mapping[str, Callable[[int], str]] = {
    **dict.fromkeys(LOCALES, _english),
    **dict.fromkeys(("ru", "be", "uk"), _russian),
    **dict.fromkeys(("fr", "hy", "pt"), _french),
    "pl": _polish,
}
"""Locale → the plural category of a whole number below a million (CLDR, cardinal rules)."""

_MINUTES: Mapping[str, Mapping[str, str]] = {
    "ru": {"one": "минута", "few": "минуты", "many": "минут"},
    "en": {"one": "minute", "other": "minutes"},
    "kk": {"one": "минут", "other": "минут"},
    "uz": {"one": "daqiqa", "other": "daqiqa"},
    "be": {"one": "хвіліна", "few": "хвіліны", "many": "хвілін"},
    "uk": {"one": "хвилина", "few": "хвилини", "many": "хвилин"},
    "ky": {"one": "мүнөт", "other": "мүнөт"},
    "hy": {"one": "րոպե", "other": "րոպե"},
    "az": {"one": "dəqiqə", "other": "dəqiqə"},
    "tr": {"one": "dakika", "other": "dakika"},
    "de": {"one": "Minute", "other": "Minuten"},
    "fr": {"one": "minute", "other": "minutes"},
    "es": {"one": "minuto", "other": "minutos"},
    "pt": {"one": "minuto", "other": "minutos"},
    "it": {"one": "minuto", "other": "minuti"},
    "pl": {"one": "minuta", "few": "minuty", "many": "minut"},
}


def minutes(count: int, locale: str) -> str:
    """`5 минут`, `1 минута`, `2 минуты`; `1 minute`, `5 minutes`. Nominative."""
    return f"{count} {_MINUTES[locale][PLURALS[locale](count)]}"
