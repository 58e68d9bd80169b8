"""What a text costs, and which of its characters make it dearer than it looks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

from otp_service.domain.segments import Size, foreign, measure
from otp_service.domain.texts import Texts
from otp_service.domain.value import Value
from otp_service.domain.verifications import LIFE_CAP_SECONDS

FORMS = {"": "", "web": "webotp", "android": "retriever"}
"""Platform → what its form of the text is called in findings."""

_LATIN_OF_CYRILLIC = dict(zip("АВЕЅІЈКМНОРСТУХаеорсухѕіј", "ABESIJKMHOPCTYXaeopcyxsij", strict=True))
_LATIN_OF_GREEK = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True))
_PLAIN = {
    **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‚`´", "'"), **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "…": "...", "№": "No", "•": "*", "×": "x",
    **_LATIN_OF_CYRILLIC, **_LATIN_OF_GREEK,
}  # fmt: skip
"""Characters outside GSM-7 that look like ones within it."""
_CYRILLIC_LIKE_LATIN = frozenset(_LATIN_OF_CYRILLIC.values())
_FEW = 0.1
"""A text with fewer foreign letters than this is meant to be Latin."""
_CODE_LIKE = re.compile(r"(?<![0-9])[0-9]{4,10}(?![0-9])")


class Examined(Value):
    """One form of one text. `name`: locale and form. `ok`: nothing should be mended. `plain`: one part, no remark."""

    name: str
    size: Size
    sentence: str
    ok: bool
    plain: bool


def examine(texts: Texts, code_length: int, locales: Collection[str] = ()) -> Iterator[Examined]:
    """Texts in every form that the settings make possible, each in its longest version. locales: empty for all."""
    code = "0" * code_length
    for locale in locales or texts.templates:
        prose = texts.render(locale, code, LIFE_CAP_SECONDS)
        for platform in texts.platforms:
            text = texts.render(locale, code, LIFE_CAP_SECONDS, platform)
            size = measure(text)
            mistakes, notes = _avoidable(text, size)
            if not platform:
                mistakes += [
                    f"the word {word!r} mixes Latin and Cyrillic letters that look alike"
                    for word in filter(_is_disguised, re.findall(r"\w+", text))
                ]
                if _CODE_LIKE.search(text.replace(code, "")):
                    notes.append("other digits look like a code, and a phone may offer them instead")
            if platform == "android" and size.parts > 1:
                mistakes = [*mistakes, "SMS Retriever reads 140 bytes, one part"]
            # Who asked for an origin line is told its price; that it has one is no mistake.
            cheap = size.parts == 1 or (platform == "web" and measure(prose).parts == 1)
            yield Examined(
                f"{locale} {FORMS[platform]}".strip(),
                size,
                "; ".join([_cost(size, texts, platform, code), *mistakes, *([] if platform else notes)]),
                ok=cheap and not mistakes,
                plain=size.parts == 1 and not mistakes and not (notes and not platform),
            )


def _cost(size: Size, texts: Texts, platform: str, code: str) -> str:
    if size.parts == 1:
        return f"1 SMS part ({size.encoding}, {size.units} of {size.alone})"
    line = texts.last_line(platform, code)
    shares = f"the brand has {len(texts.brand)}" + (f", the last line {len(line) + 1}" if line else "")
    counted = f"{size.encoding}, {size.units} units where one part holds {size.alone}; {shares}"
    return f"{size.parts} SMS parts ({counted}): {size.parts} times the price"


def _avoidable(text: str, size: Size) -> tuple[list[str], list[str]]:
    """Characters that turn a Latin text into UCS-2: a mistake where they cost a part, else a note."""
    strange = foreign(text)
    letters = [character for character in text if character.isalpha()]
    few = sum(letter in strange for letter in letters) <= _FEW * len(letters)
    if not strange or not (few or all(character in _PLAIN for character in strange)):
        return [], []
    shown = ", ".join(map(_shown, strange))
    said = [f"the whole text is UCS-2, 70 characters a part and not 160, because of {shown}"]
    without = "".join(_PLAIN.get(character, "?") if character in strange else character for character in text)
    return (said, []) if measure(without).parts < size.parts else ([], said)


def _shown(character: str) -> str:
    name = f"{character!r} U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
    return f"{name} (for {_PLAIN[character]!r})" if character in _PLAIN else name


def _is_disguised(word: str) -> bool:
    """Letters of two alphabets, and those of one have twins in the other: nobody can see which is which."""
    alphabets = {
        alphabet: [c for c in word if unicodedata.name(c, "").split(" ")[0] == alphabet]
        for alphabet in ("LATIN", "CYRILLIC")
    }
    latin, cyrillic = alphabets.values()
    twins = all(c in _LATIN_OF_CYRILLIC for c in cyrillic) or all(c in _CYRILLIC_LIKE_LATIN for c in latin)
    return bool(latin and cyrillic and twins)
