"""What an SMS says, and what is said about it beforehand."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from random import Random
from xml.etree.ElementTree import fromstring

import pytest
from babel import Locale as Cldr

from otp_service.domain import texts
from otp_service.domain.locales import LOCALES, PLURALS, minutes, nearest
from otp_service.domain.segments import measure
from otp_service.domain.text_lint import examine
from otp_service.domain.texts import GATEWAY_CODE, SHIPPED, Texts, brand_fault, template_fault
from otp_service.gateways.targetsms.xml.wire import document, element
from otp_service.sandbox.gateways.xml_wire import unescape
from tests.origin_bound import OriginBound, parse

HOST, HASH = "login.example.ru", "FA+9qCX9VSu"


def worded(brand: str = "Example", **templates: str) -> Texts:
    return Texts(brand, {**SHIPPED, **templates}, HOST, HASH)


@pytest.mark.parametrize("locale", SHIPPED)
def test_shipped_texts(locale: str) -> None:
    """Without fault, and within one part with the longest code and a usual brand."""
    assert template_fault(SHIPPED[locale]) == ""
    shop = worded("Магазин у дома")
    assert measure(shop.render(locale, "0" * 10, 300)).parts == 1
    assert shop.render(locale, GATEWAY_CODE, 300).count(GATEWAY_CODE) == 1


@pytest.mark.parametrize(
    ("count", "ru", "en"),
    [
        (1, "1 минута", "1 minute"), (2, "2 минуты", "2 minutes"), (4, "4 минуты", "4 minutes"),
        (5, "5 минут", "5 minutes"), (10, "10 минут", "10 minutes"), (11, "11 минут", "11 minutes"),
        (12, "12 минут", "12 minutes"), (14, "14 минут", "14 minutes"), (20, "20 минут", "20 minutes"),
        (21, "21 минута", "21 minutes"), (23, "23 минуты", "23 minutes"), (111, "111 минут", "111 minutes"),
    ],
)  # fmt: skip
def test_plurals(count: int, ru: str, en: str) -> None:
    assert (minutes(count, "ru"), minutes(count, "en")) == (ru, en)


@pytest.mark.parametrize("locale", LOCALES)
def test_plurals_are_those_of_cldr(locale: str) -> None:
    """The words of minutes are shipped for every category that a number may have."""
    cldr = Cldr(locale).plural_form
    for count in [*range(1_001), 11_111, 999_999]:
        assert PLURALS[locale](count) == cldr(count), count
        assert minutes(count, locale).startswith(f"{count} ")


@pytest.mark.parametrize("locale", LOCALES)
def test_shipped_words_are_of_one_alphabet(locale: str) -> None:
    """A letter of another one that looks alike would turn a text into UCS-2, or fool a reader."""
    found = [each for each in examine(worded(), 6) if each.name == locale]
    assert [each.ok for each in found] == [True]
    assert not [each.sentence for each in found if "look alike" in each.sentence]


@pytest.mark.parametrize(
    ("tag", "locale"),
    [
        ("ru", "ru"), ("RU-ru", "ru"), ("pt-BR", "pt"), ("pt_PT", "pt"), ("kk-Cyrl-KZ", "kk"), ("de-CH-1996", "de"),
        ("be-tarask", "be"), ("en-GB-oxendict", "en"), ("zh-Hant-TW", ""), ("tlh", ""), ("ja", ""),
    ],
)  # fmt: skip
def test_a_language_tag_falls_back(tag: str, locale: str) -> None:
    assert nearest(tag) == locale


@pytest.mark.parametrize(
    "tag", ["", "r", "ru-", "-ru", "ru--RU", "12", "ру", "ru RU", "ru-ünicode", "en-" + "a" * 40, "x" * 9]
)
def test_what_is_no_language_tag(tag: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        nearest(tag)


@pytest.mark.parametrize(
    ("life", "said"), [(300, "5"), (288, "5"), (284, "4"), (120, "2"), (118, "2"), (600, "10"), (0, "1")]
)
def test_minutes_are_whole_and_a_walk_takes_none_away(life: float, said: str) -> None:
    assert worded(en="{code} {minutes}").render("en", "1", life).split()[1] == said


def test_the_last_line_is_the_platform_s() -> None:
    found = worded(ru="{code}\n{brand}")
    assert found.render("ru", "0123", 300) == found.render("ru", "0123", 300, "ios") == "0123\nExample"
    assert found.render("ru", "0123", 300, "web") == f"0123\nExample\n@{HOST} #0123"
    assert found.render("ru", "0123", 300, "android") == f"0123\nExample\n{HASH}"
    assert [found.repeats_code(platform) for platform in ("", "ios", "android", "web")] == [False, False, False, True]
    bare = Texts("Example", SHIPPED)
    assert {bare.render("ru", "0123", 300, platform) for platform in ("", "web", "android", "ios")} == {
        "0123 — код для Example. Никому его не сообщайте."
    }


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("no code", "{code} exactly once"), ("{code} {code}", "{code} exactly once"), ("{code} {cod}", "{cod}"),
        ("{code} {код}", "{код}"), ("{code} {brand.__class__}", "{brand.__class__}"), ("{code} {0}", "{0}"),
        ("{code!r}", "{code!r}"), ("{code:>9}", "{code:>9}"), ("{code} {}", "{}"), ("{{code}}", "brace"),
        ("{code} {", "brace"), ("{code} }", "brace"), ("{code}\r\n", "U+000D"), ("{code}\t", "U+0009"),
        ("{code}\x00", "U+0000"), ("{code}\u200b", "ZERO WIDTH SPACE"), ("{code}\u202e", "RIGHT-TO-LEFT OVERRIDE"),
        ("{code}\u2028", "LINE SEPARATOR"),
        ("{code}\\n@evil.example #1", "REVERSE SOLIDUS"), ("{code}\ue000", "U+E000"),
    ],
)  # fmt: skip
def test_faults(template: str, word: str) -> None:
    assert word in template_fault(template)


def test_no_faults() -> None:
    for template in ("{code}", "{brand}: {code}\n{minutes}", "«{code}» — 😀 ё\u00a0№"):
        assert template_fault(template) == ""


LETTERS = (
    "aZ09 «»—“”.,:;!?@#%&'\"$€[]|~^ёЯжσ😀\u00a0\n\r\t\\{}\x00\x1b\x7f\x85\u200b\u202e\u2028\u2029\ufeff\ud800\uffff"
)
PIECES = ("{code}", "{brand}", GATEWAY_CODE, f"@{HOST} #000000", "@evil.example #1", "%s", "{0}", "\\n", HASH, "\r\n")


def test_names_and_parameters_cannot_reach_the_last_line() -> None:
    """S-16: whatever is put in is refused at start, or the browser finds our origin and our code, in two parts."""
    rng = Random("S-16")
    good = refused = 0
    for _ in range(5_000):
        inserted = "".join(rng.choices(LETTERS[: rng.choice((33, len(LETTERS)))], k=rng.randint(0, 24)))
        brand = f"A{inserted}{rng.choice(PIECES) * (rng.random() < 0.2)}z"[:40]
        code = "".join(rng.choices("0123456789", k=rng.randint(4, 10)))
        if brand_fault(brand):
            refused += 1
            continue
        good += 1
        found, locale = worded(brand), rng.choice(("ru", "en"))
        text = found.render(locale, code, rng.uniform(0, 600), "web")
        assert parse(text) == OriginBound(HOST, None, code), text
        assert text.count("\n") == 1
        assert not [c for c in text.replace("\n", "") if unicodedata.category(c)[0] == "C"]
        foreseen = {each.name: each.size.parts for each in examine(found, 10)}
        assert measure(text).parts <= foreseen[f"{locale} webotp"] <= 2
        assert measure(found.render(locale, code, 300)).parts <= foreseen[locale]
        assert found.render(locale, GATEWAY_CODE, 300).count(GATEWAY_CODE) == 1
        on_the_wire = fromstring(document(element("text", text))).findtext("text") or ""
        assert unescape(on_the_wire) == text
    assert good > 1_000
    assert refused > 1_000


@pytest.mark.parametrize(
    ("brand", "name", "ok", "words"),
    [
        ("Example", "ru", True, "1 SMS part (UCS-2, 50 of 70)"),
        ("Example", "ru webotp", True, "2 SMS parts (UCS-2, 76 units where one part holds 70; "),
        ("Example", "ru webotp", True, "the brand has 7, the last line 26): 2 times the price"),
        ("Example", "ru retriever", True, "1 SMS part (UCS-2, 62 of 70)"),
        ("Example", "en webotp", True, "1 SMS part (GSM-7, 83 of 160)"),
        ("Магазин у дома напротив", "ru retriever", False, "SMS Retriever reads 140 bytes"),
        ("\u0415xample", "en", False, "the word '\u0415xample' mixes"),
        ("\u0415xample", "en", False, "U+0415 CYRILLIC CAPITAL LETTER IE (for 'E')"),
        ("M\u043eсква", "ru", False, "the word 'M\u043eсква' mixes"),
        ("Яndex", "ru", True, "1 SMS part"),  # nobody can mistake it
        ("“Best”", "en", True, "U+201C LEFT DOUBLE QUOTATION MARK (for '\"')"),
        ("The “Best” of all the shops", "en", False, "because of '“'"),  # here they cost a part
        ("«Лучший»", "ru", True, "1 SMS part (UCS-2, 51 of 70)"),
        ("Shop 2024", "en", True, "other digits look like a code"),
    ],
)  # fmt: skip
def test_examination(brand: str, name: str, ok: bool, words: str) -> None:
    (found,) = (each for each in examine(worded(brand), 6) if each.name == name)
    assert (found.ok, words in found.sentence) == (ok, True), found.sentence


def test_one_foreign_letter_is_reported_and_a_russian_text_is_not() -> None:
    (ru, *_, en, _, _) = examine(worded(en="{code} is the Жcode of {brand}"), 6, ["ru", "en"])
    assert "'Ж' U+0416" in en.sentence
    assert not en.plain
    assert ru.plain


def test_a_brand_is_not_a_template() -> None:
    found = Texts("{code}", texts.SHIPPED)
    assert found.render("en", "123456", 300).count("123456") == 1


def test_the_ready_templates_cost_what_their_page_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "texts.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]{2})` \| `([^`]+)`( \(shipped\))? \| (.*) \|$", page, flags=re.MULTILINE)
    assert {locale: template for locale, template, shipped, _ in rows if shipped} == SHIPPED
    assert len(rows) >= 6
    for locale, template, _, costs in rows:
        assert template_fault(template) == ""
        found = worded(**{locale: template})
        sizes = [measure(found.render(locale, "0" * 6, 600, platform)) for platform in ("", "web", "android")]
        assert [f"{size.encoding} {size.units}: {size.parts}" for size in sizes] == costs.replace("*", "").split(" | ")
