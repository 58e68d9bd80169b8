"""Values: immutable, equal by what they hold, and silent about what nobody shall read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from otp_service.domain.value import Hidden, Value


class Parcel(Value):
    number: int
    phone: Hidden[str]
    code: Hidden[str] = ""


class Letter(Parcel):
    key: Hidden[bytes] = b""
    stamped: bool = False


def test_what_is_hidden_is_in_no_text() -> None:
    letter = Letter(7, "+79161234567", "123456", b"secret", stamped=True)
    assert repr(letter) == str(letter) == f"{letter}" == "Letter(number=7, stamped=True)"
    assert repr([Parcel(1, "+79161234567")]) == "[Parcel(number=1)]"


def test_a_value_is_what_it_holds() -> None:
    one = Parcel(7, "+79161234567")
    assert one == Parcel(7, "+79161234567")
    assert one != replace(one, phone="+79161234568")
    assert hash(one) == hash(Parcel(7, "+79161234567"))
    with pytest.raises(AttributeError):
        one.number = 8  # type: ignore[misc]  # which is the point
