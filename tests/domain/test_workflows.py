"""Steps of the channel `auto`: which orders work, how they are kept, which way they are."""

from __future__ import annotations

from typing import Any

import pytest

from otp_service import settings
from otp_service.domain.workflows import Step, Way, encode, parse, why_unfit
from otp_service.errors import SettingsError
from otp_service.settings.workflows import ends_inbound, route_of, sending_steps, step_of, wait_seconds

GATEWAY = {"kind": "smska", "base_url": "https://sms.example", "api_key": "k", "api_password": "p", "sender": "S"}
TELEGRAM, SMS, INBOUND = {"channel": "telegram", "wait_seconds": 20}, {"channel": "sms"}, {"channel": "inbound"}


def loaded(steps: list[dict[str, Any]], number: str = "+79001112233", assurance: str = "claimed") -> settings.Settings:
    tables = {
        "service": {"secret": "x" * 32, "public_url": "https://otp.example"},
        "redis": {"url": "redis://127.0.0.1:6379/0"},
        "gateways": dict.fromkeys(("one", "two", "tg"), GATEWAY),
        "routes": {
            "sms": {"gateways": ["one", "two"], "failover_after_seconds": 40},
            "telegram": {"gateways": ["tg", "one"], "deadline_seconds": 20},
        },
        "inbound": {"number": number},
        "applications": {"web": {"brand": "Shop", "assurance": assurance, "workflow": {"steps": steps}}},
    }
    return settings.load({}, tables)


@pytest.mark.parametrize(
    ("steps", "changes", "sentence"),
    [
        ([TELEGRAM, {"channel": "viber"}], {}, "there is no route for 'viber'; there are: sms, telegram"),
        ([SMS, SMS], {}, "a channel stands twice"),
        ([INBOUND, SMS], {}, "`inbound` is the last of several"),
        ([TELEGRAM, INBOUND, SMS], {}, "`inbound` is the last of several"),
        ([INBOUND], {}, "`inbound` is the last of several"),
        ([SMS, INBOUND], {"number": ""}, "needs `inbound.number`"),
        ([SMS, INBOUND], {"assurance": "held"}, 'needs applications.web.assurance = "claimed"'),
        ([{"channel": "SMS"}], {}, "steps"),
        ([{"channel": "sms", "wait_seconds": 601}], {}, "steps"),
        ([{"channel": "sms", "wait": 1}], {}, "steps"),
        ([SMS] * 9, {}, "steps"),
    ],
)
def test_steps_that_cannot_work(steps: list[dict[str, Any]], changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(steps, **changes)
    assert str(caught.value).startswith("applications.web.workflow.steps"), caught.value
    assert sentence in str(caught.value)


def test_a_way_is_one_route() -> None:
    """A gateway stands where its last step has it; the person's own SMS has none."""
    found, auto = loaded([TELEGRAM, SMS, INBOUND]), Way("auto")
    route = route_of(found, "web", auto)
    assert route is not None
    assert route.gateways == ("tg", "one", "two")
    assert route.deadline_seconds == 20
    assert ends_inbound(found, "web", auto)
    assert [step.channel for step in sending_steps(found, "web", auto)] == ["telegram", "sms"]
    assert [step_of(found, "web", auto, name) for name in ("tg", "one", "two")] == [0, 1, 1]
    assert [wait_seconds(found, "web", auto, name) for name in ("tg", "one")] == [20, 40]
    own = Way("auto", parse("sms=7"))
    assert (route_of(found, "web", own), ends_inbound(found, "web", own)) == (found.routes["sms"], False)
    assert wait_seconds(found, "web", own, "one") == 7
    assert route_of(found, "web", Way("auto", parse("viber,sms"))) is None
    assert route_of(found, "web", Way("sms")) == found.routes["sms"]


@pytest.mark.parametrize("text", ["", "sms", "telegram=20,viber,sms=0,inbound"])
def test_steps_are_kept_as_they_were(text: str) -> None:
    assert encode(parse(text)) == text
    assert not why_unfit([Step(channel="telegram", wait_seconds=0), Step(channel="inbound")])
