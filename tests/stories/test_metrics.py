"""What an operator sees at /metrics of one verification, and of one that was refused."""

from __future__ import annotations

import platform

from prometheus_client.parser import text_string_to_metric_families

from otp_service import __version__
from tests.api import Api, Gateways, problem


async def scraped(api: Api) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of their names."""
    page = (await api.http.get("/metrics")).text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_a_verification_leaves_its_traces_in_the_metrics(api: Api, gateways: Gateways, phone: str) -> None:
    before = await scraped(api)
    started = await api.started(phone)
    code = (await gateways.codes(phone))[0]
    for _ in range(2):  # the repeat hears the same verdict and is no second approval
        assert (await api.check(started["id"], code, key="metrics-check")).json()["approved"]
    problem(await api.start("+7916"), 422, "invalid_phone")
    stranger = {"Authorization": "Bearer not-a-key-that-anybody-knows-of"}
    problem(await api.http.get("/v1/verifications/x", headers=stranger), 401, "unauthorized")
    after = await scraped(api)

    def grown(*sample: str) -> float:
        return after.get(sample, 0) - before.get(sample, 0)

    assert grown("otp_verifications_total", "web", "sent") == 1
    assert grown("otp_approval_seconds_count", "web", "targetsms-password") == 1
    assert 0 < grown("otp_approval_seconds_sum", "web", "targetsms-password") < 10
    assert grown("otp_checks_total", "web", "approved") == 2
    route = "/v1/verifications/{verification_id}"
    assert grown("otp_http_requests_total", f"{route}/check", "200") == 2
    assert grown("otp_http_request_seconds_count", f"{route}/check") == 2
    assert grown("otp_http_requests_total", route, "401") == 1
    assert grown("otp_gateway_seconds_count", "targetsms-password") == 1
    assert grown("otp_refusals_total", "invalid_phone") == 1
    assert grown("otp_refusals_total", "unauthorized") == 1
    assert grown("otp_hash_seconds_count") == grown("otp_hash_wait_seconds_count") == 2  # the start's and the check's
    assert grown("otp_storage_seconds_count", "verification/settle") == 1
    assert grown("otp_storage_faults_total", "verification/settle") == 0
    assert after[("otp_build_info", platform.python_version(), __version__)] == 1
    assert not [sample for sample in after if phone[1:] in "".join(sample)]


async def test_what_rules_divide_and_wait_for_stands_at_zero_from_the_start(api: Api) -> None:
    """A counter that its first event creates shows no growth, and a ratio over none is empty."""
    found = set(await scraped(api))
    for gateway, channel in (("targetsms-password", "sms"), ("targetsms-xml", "sms")):
        assert ("otp_approval_seconds_count", "web", gateway) in found
        for reason in ("credentials", "funds", "sender", "account_blocked", "bad_request"):
            assert ("otp_sends_total", channel, gateway, reason, "rejected") in found
        assert ("otp_messages_final_total", channel, gateway, "delivered") in found
    for result in ("sent", "failed", "rejected"):
        assert ("otp_verifications_total", "web", result) in found
    assert {("otp_wrong_code_alarms_total", scope) for scope in ("all", "web")} <= found
    assert ("otp_unreadable_total", "otp:v:{p}:<id>") in found


async def test_a_number_that_gateways_refuse_is_not_told_as_a_start_without_a_gateway(
    api: Api, gateways: Gateways, phone: str
) -> None:
    before = await scraped(api)
    await gateways.fail("password", "error", error="Укажите номер телефона.")
    problem(await api.start(phone), 422, "phone_rejected")
    after = await scraped(api)
    name, application = "otp_verifications_total", "web"
    assert after[name, application, "rejected"] == before[name, application, "rejected"] + 1
    assert after[name, application, "failed"] == before[name, application, "failed"]
