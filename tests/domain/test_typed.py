"""P-1, P-2: what people type and paste around phones and codes is read past, and nothing else starts to be read."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.domain import codes, phone, typed
from otp_service.errors import Refused


def category(name: str) -> set[str]:
    return {chr(at) for at in range(sys.maxunicode + 1) if unicodedata.category(chr(at)) == name}


def test_every_space_and_dash_of_unicode_is_known() -> None:
    assert category("Zs") <= set(typed.BLANKS)
    assert category("Pd") <= set(typed.DASHES)
    assert not any(map(str.isalnum, typed.BLANKS + typed.MARKS))
    assert not set(typed.DECORATION) & set("\n\r\v\f\x85\u2028\u2029")


PASTED = [
    ("RU", "\u202a+7\u00a0916\u00a0123-45-67\u202c", "from Windows' contacts"),
    ("RU", "\u2068+7 (916) 123\u201145\u201167\u2069", "from Android's dialler"),
    ("RU", "\u200e+7 916 123 45 67\u200f", "from a right-to-left page"),
    ("RU", "\ufeff+79161234567", "the first cell of a CSV"),
    ("RU", "+7916\u00ad123\u00ad45\u00ad67", "soft hyphens of a web page"),
    ("RU", "+7\ufe0e916\ufe0f1234567", "variation selectors"),
    ("RU", "916\t123\t45\t67", "columns of a spreadsheet"),
    ("RU", "8\u3000916\u2003123\u205f45\u168067", "spaces of every width"),
    ("RU", "+7 916 123\u201345\u201467", "dashes of a word processor"),
    ("RU", "+7 916 123\u221245\u221267", "minus signs"),
    ("RU", "tel:+7-916-123-45-67", "a link"),
    ("RU", "TEL:8%20(916)%20123-45-67", "a link with escapes"),
    ("RU", "＋７（９１６）１２３－４５－６７", "full width"),
    ("RU", "  +7 916 123-45-67\r\n", "a line of a file"),
    ("RU", "8 10 7 916 123 45 67", "as dialled abroad from Russia"),
    ("RU", "00 7 916 123-45-67", "as dialled in most of the world"),
    ("KZ", "8 10 7 916 123-45-67", "as dialled from Kazakhstan"),
    ("DE", "00 7 (916) 123-45-67", "as dialled from Germany"),
    ("US", "011 7 916 123 45 67", "as dialled from the USA"),
]  # fmt: skip


@pytest.mark.parametrize(("region", "pasted", "origin"), PASTED)
def test_pasted_phones(region: str, pasted: str, origin: str) -> None:
    assert phone.normalise(pasted, region).e164 == "+79161234567", origin


@pytest.mark.parametrize(
    "pasted",
    ["123", "12345", "", "\u200b", "+", "tel:", "8 800 FLOWERS", "+7 916 123 45 67 доб. 5", "tel:+79161234567;ext=5",
     "+79161234567 x5", "+79161234567, 5", "89161234567, 89161234568", "89161234567 89161234568",
     "89161234567\n89161234568", "+79161234567 / +79161234568", "89161234\n567", "8916123\u20284567",
     "+7916١٢٣٤٥٦٧", "+७९१६१२३४५६७", "\u2460\u2461\u2462\u2463\u2464", "+7916123456\u00b9", "tel:+7916%0A1234567",
     "tel:tel:+79161234567", "+7" + " " * 100 + "9161234567"],
)  # fmt: skip
def test_what_stays_no_phone(pasted: str) -> None:
    with pytest.raises(Refused) as refused:
        phone.normalise(pasted, "RU")
    assert refused.value.code == "invalid_phone"
    assert refused.value.detail == phone.WRONG


decoration = st.text(st.sampled_from(typed.DECORATION), max_size=3)


@given(st.lists(decoration, min_size=11, max_size=11), st.sampled_from(["+79161234567", "+380441234567"]))
def test_every_decorated_phone_is_read(decorated: list[str], e164: str) -> None:
    pasted = "".join(mark + sign for mark, sign in zip(decorated, e164, strict=False)) + e164[11:]
    assert phone.normalise(pasted, "RU").e164 == e164


@given(st.lists(decoration, min_size=7, max_size=7), st.integers(0, 999_999))
def test_every_decorated_code_is_read(decorated: list[str], number: int) -> None:
    code = f"{number:06}"
    pasted = "".join(mark + sign for mark, sign in zip(decorated, [*code, ""], strict=True))
    assert codes.read(pasted) == code


@given(st.text(st.characters(categories=["Nd", "No", "Nl", "Zs", "Zl", "Zp", "Pd", "Po", "Cf", "Cc", "Mn", "L"])))
def test_nothing_else_is_a_code(text: str) -> None:
    """Whatever is read has those ASCII digits, in that order, and nothing beside them but decoration."""
    try:
        code = codes.read(text)
    except ValueError:
        return
    assert code == "".join(sign for sign in text if sign in "0123456789")
    assert set(text) <= set(typed.DECORATION + ".0123456789")


@pytest.mark.parametrize(
    "text",
    [
        "123456\n",
        "\n123456",
        "１２３４５６",
        "١٢٣٤٥٦",
        "123\u2028456",
        "12 3",
        "12345678901",
        "12345a",
        "123_456",
        "",
        "-",
    ],
)
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(ValueError, match="no code"):
        codes.read(text)
