from __future__ import annotations

import pytest

from otp_service.errors import SettingsError
from otp_service.gateways.registry import KINDS, build, warnings


@pytest.mark.parametrize("table", [{}, {"kind": "pigeon"}, {"kind": 7}])
def test_an_unknown_kind_is_refused_with_the_known_ones(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        build("first", table)

    assert "gateways.first.kind" in str(caught.value)
    assert all(kind in str(caught.value) for kind in KINDS)


def test_plain_http_is_reported() -> None:
    table = {"kind": "smska", "base_url": "http://my2.sms-ka.net", "state_base_url": "http://127.0.0.1:8001"}

    (sentence,) = warnings("smska", table)

    assert sentence.startswith("gateways.smska.base_url: plain http")


def test_https_is_not_reported() -> None:
    assert warnings("x", {"kind": "targetsms-xml", "base_url": "https://sms.targetsms.ru"}) == []
