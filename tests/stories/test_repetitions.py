"""A gateway says that it has sent this before: good news of a message that we repeat, and of no other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests import running
from tests.api import Api, Gateways, problem
from tests.running import API_KEY, running_service
from tests.stories.test_viber import MORE

pytestmark = pytest.mark.slow

DUPLICATE = "error: Попытка отправки более одного одинакового запроса в течение минуты"
ALREADY_SENT = "Данное сообщение уже было отправлено."


def route(gateways: str) -> dict[str, str]:
    return {"OTP__ROUTES__SMS__GATEWAYS": gateways, "OTP__GATEWAYS__TARGETSMS_JSON__CASCADE": "sms"}


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS + MORE.partition("[routes.viber]")[0])


async def test_2_a_resend_keeps_out_of_the_minute(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """Where nobody else can send, the pause is a minute whatever the settings say: earlier nothing would leave."""
    with running_service(tmp_path, redis_url, sandbox_process, **route("targetsms-get")) as (url, _, _):
        async with Api(url, API_KEY) as api:
            started = await api.started(phone)
            pause = datetime.fromisoformat(started["resend_at"]) - datetime.fromisoformat(started["created_at"])
            refused = problem(await api.resend(started["id"]), 429, "too_soon")

    assert pause.total_seconds() >= 61
    assert refused["status"] == 429
    assert len(await gateways.codes(phone)) == 1


async def test_2_a_resend_goes_by_who_takes_it_now(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str
) -> None:
    """The pause stays that of the settings, and nobody is asked who would refuse the code as a repetition."""
    with running_service(tmp_path, redis_url, sandbox_process, **route("targetsms-get,targetsms-xml")) as (url, _, _):
        async with Api(url, API_KEY) as api:
            started = await api.started(phone)
            sent = [(await api.resend(started["id"])).json() for _ in range(3)][-1]

    assert [(m["gateway"], m["status"]) for m in sent["messages"]] == [
        ("targetsms-get", "accepted"), ("targetsms-xml", "accepted"),
        ("targetsms-xml", "accepted"), ("targetsms-xml", "accepted"),
    ]  # fmt: skip
    assert len(await gateways.codes(phone)) == 4


@pytest.mark.parametrize(
    ("first", "simulator", "text"),
    [
        ("targetsms-get", "get", DUPLICATE),
        ("targetsms-get", "get", ALREADY_SENT),
        ("targetsms-xml", "xml", ALREADY_SENT),
        ("targetsms-json", "json", ALREADY_SENT),
    ],
)
async def test_2_sent_before_is_no_success_of_a_first_message(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str, first: str, simulator: str,
    text: str,
) -> None:  # fmt: skip
    with running_service(tmp_path, redis_url, sandbox_process, **route(f"{first},smska")) as (url, _, _):
        async with Api(url, API_KEY) as api:
            await gateways.fail(simulator, "message_error", error=text)
            started = await api.started(phone)

    assert [(m["gateway"], m["status"], m["reason"]) for m in started["messages"]] == [
        (first, "rejected", "throttled"), ("smska", "accepted", None),
    ]  # fmt: skip


@pytest.mark.parametrize(("first", "simulator"), [("targetsms-xml", "xml"), ("targetsms-json", "json")])
async def test_2_it_is_one_of_a_message_that_we_repeat(
    tmp_path: Path, redis_url: str, sandbox_process: str, gateways: Gateways, phone: str, first: str, simulator: str
) -> None:
    """The first answer was lost; the repeat under the same client id hears of it."""
    with running_service(tmp_path, redis_url, sandbox_process, **route(f"{first},smska")) as (url, _, _):
        async with Api(url, API_KEY) as api:
            await gateways.fail(simulator, "processed_then_reset", times=1)
            await gateways.fail(simulator, "message_error", error=ALREADY_SENT, times=1)
            started = await api.started(phone)
            (code,) = await gateways.codes(phone)

            assert [(m["gateway"], m["status"]) for m in started["messages"]] == [(first, "accepted")]
            assert await api.outcome(started["id"], code) == "approved"
