"""What an SMS says and costs."""

from __future__ import annotations

import pytest

from otp_service.domain import texts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
        ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3),
        ("€" * 80, 1), ("€" * 80 + "a", 2), ("a" * 69 + "я", 1), ("a" * 70 + "я", 2), ("😀" * 35, 1), ("😀" * 36, 2),
        ("a\u200b" + "a" * 69, 2),
    ],
)  # fmt: skip
def test_parts(text: str, count: int) -> None:
    assert texts.parts(text) == count


@pytest.mark.parametrize("locale", texts.TEMPLATES)
def test_shipped_texts_fit_one_part_with_the_longest_code_and_a_usual_brand(locale: str) -> None:
    assert texts.parts(texts.render(locale, "Магазин у дома", "0" * 10)) == 1


@pytest.mark.parametrize("locale", texts.TEMPLATES)
def test_the_code_stands_in_the_text_once(locale: str) -> None:
    assert texts.render(locale, "Example", texts.PLACEHOLDER).count(texts.PLACEHOLDER) == 1
    assert texts.render(locale, "Example", "123456").count("123456") == 1


def test_a_brand_is_not_a_template() -> None:
    assert texts.render("en", "{code}", "123456").count("123456") == 1
