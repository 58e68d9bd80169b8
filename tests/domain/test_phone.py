"""What people write becomes one E.164 number, or is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.domain import phone
from otp_service.errors import Refused


@pytest.mark.parametrize(
    ("written", "e164", "region"),
    [
        ("+79161234567", "+79161234567", "RU"),
        ("8 (916) 123-45-67", "+79161234567", "RU"),
        ("7 916 123 45 67", "+79161234567", "RU"),
        ("916.123.45.67", "+79161234567", "RU"),
        ("+7\u00a0916\u2009123\u201145\u201367", "+79161234567", "RU"),
        ("810 380 44 123 4567", "+380441234567", "UA"),
        ("+77012345678", "+77012345678", "KZ"),
        ("8 701 234 56 78", "+77012345678", "KZ"),
        ("+375291234567", "+375291234567", "BY"),
    ],
)
def test_spellings(written: str, e164: str, region: str) -> None:
    found = phone.normalise(written, "RU")
    assert (found.e164, found.region) == (e164, region)


@pytest.mark.parametrize(
    "written",
    ["", " ", "+", "123", "+89161234567", "+70000000000", "8029 123-45-67", "+7916123456", "1-800-FLOWERS",
     "+7 916 123 45 67 доб. 5", "+79161234567;ext=5", "+7916١٢٣٤٥٦٧",
     "++79161234567", "7916123456\x007", "+79161234567\ud800"],
)  # fmt: skip
def test_what_is_no_phone(written: str) -> None:
    with pytest.raises(Refused) as refused:
        phone.normalise(written, "RU")
    assert refused.value.code == "invalid_phone"


@given(st.text(alphabet=st.characters(categories=["Nd", "Zs", "Pd", "Po", "Sm"]), max_size=20))
def test_no_spelling_gains_a_second_identity(written: str) -> None:
    """Whatever is accepted is ASCII E.164, and reading that again changes nothing."""
    try:
        found = phone.normalise(written, "RU")
    except Refused:
        return
    assert found.e164.isascii()
    assert phone.normalise(found.e164, "RU") == found
    assert unicodedata.normalize("NFKC", written).count("+") <= 1


def test_mask() -> None:
    assert phone.mask("+79161234567") == "+7916***4567"


def test_a_phone_does_not_show_itself() -> None:
    assert "9161234567" not in repr(phone.normalise("+79161234567", "RU"))
