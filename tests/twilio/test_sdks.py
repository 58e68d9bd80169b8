"""Both official SDKs, unmodified, against the running service: the 22 points, and whatever else they can call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.api import Api, Gateways
from tests.clock import faked_server
from tests.node import Node
from tests.running import API_KEY, create_key, running_service
from tests.stories.test_check import wrong
from tests.twilio.conftest import WEB

pytestmark = pytest.mark.slow
twilio = pytest.importorskip("twilio")

from twilio.base.exceptions import TwilioRestException  # noqa: E402
from twilio.http.async_http_client import AsyncTwilioHttpClient  # noqa: E402
from twilio.request_validator import RequestValidator  # noqa: E402
from twilio.rest import Client  # noqa: E402


def sdk(url: str, key: str, **options: Any) -> Client:
    client = Client("my-app", key, **options)
    client.verify.base_url = f"{url}/twilio"
    return client


@pytest.fixture
def client(service_urls: list[str], monkeypatch: pytest.MonkeyPatch) -> Client:
    for name in ("TWILIO_REGION", "TWILIO_EDGE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return sdk(service_urls[0], API_KEY)


@pytest.fixture
def admin_client(service_urls: list[str], keys: dict[str, str]) -> Client:
    return sdk(service_urls[0], keys["everything"])


@contextlib.contextmanager
def refused(status: int, code: int) -> Iterator[list[TwilioRestException]]:
    """The exception that existing handlers catch, and no other."""
    caught: list[TwilioRestException] = []
    with pytest.raises(TwilioRestException) as found:
        yield caught
    assert type(found.value) is TwilioRestException
    assert (found.value.status, found.value.code) == (status, code), found.value
    caught.append(found.value)


async def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(function, *args, **kwargs)


async def test_01_create_is_typed(client: Client, gateways: Gateways, phone: str) -> None:
    found = await call(client.verify.v2.services(WEB).verifications.create, to=phone, channel="sms")
    assert isinstance(found.date_created, datetime)
    assert isinstance(found.date_updated, datetime)
    assert (found.status, found.valid, found.to, found.channel) == ("pending", False, phone, "sms")
    assert found.sid.startswith("VE")
    assert len(found.send_code_attempts) == 1


async def test_02_to_08_the_life_of_a_verification(client: Client, gateways: Gateways, phone: str) -> None:
    service = client.verify.v2.services("web")
    first = await call(service.verifications.create, to=phone, channel="sms")
    second = await call(service.verifications.create, to=phone, channel="sms")
    third = await call(service.verifications.create, to=phone, channel="sms")
    assert first.sid == second.sid == third.sid
    assert [len(one.send_code_attempts) for one in (first, second, third)] == [1, 2, 3]
    codes = await gateways.codes(phone)
    assert codes[0] == codes[1]
    for which in (first.sid, phone):  # 3: by SID, and by a raw +7… path
        fetched = await call(service.verifications(which).fetch)
        assert (fetched.sid, fetched.status) == (first.sid, "pending")
    check = service.verification_checks.create
    assert (await call(check, to=phone, code=wrong(codes[0]))).status == "pending"
    right = await call(check, verification_sid=first.sid, code=codes[0])
    assert (right.status, right.valid) == ("approved", True)
    with refused(404, 20404):  # 8
        await call(check, to=phone, code=codes[0])
    again = await call(service.verifications.create, to=phone, channel="sms")
    canceled = await call(service.verifications(again.sid).update, status="canceled")  # 4
    assert canceled.status == "canceled"
    with refused(404, 20404):
        await call(service.verifications(again.sid).fetch)


async def test_04_custom_codes_are_approved(
    service_urls: list[str], keys: dict[str, str], gateways: Gateways, phone: str
) -> None:
    service = sdk(service_urls[0], keys["theirs"]).verify.v2.services("theirs")
    made = await call(
        service.verifications.create, to=phone, channel="sms", custom_code="998877", tags='{"campaign":"x"}'
    )
    assert (await gateways.codes(phone))[0] == "998877"
    approved = await call(service.verifications(made.sid).update, status="approved")
    assert (approved.status, approved.valid) == ("approved", True)


async def test_06_the_sixth_check(client: Client, gateways: Gateways, phone: str) -> None:
    service = client.verify.v2.services(WEB)
    await call(service.verifications.create, to=phone, channel="sms")
    code = (await gateways.codes(phone))[0]
    for _ in range(5):
        assert (await call(service.verification_checks.create, to=phone, code=wrong(code))).status == "pending"
    for tried in (wrong(code), code):
        with refused(429, 60202):
            await call(service.verification_checks.create, to=phone, code=tried)


async def test_07_the_sixth_send(client: Client, gateways: Gateways, phone: str) -> None:
    service = client.verify.v2.services(WEB)
    for _ in range(5):
        await call(service.verifications.create, to=phone, channel="sms")
    with refused(429, 60203):
        await call(service.verifications.create, to=phone, channel="sms")
    assert len(await gateways.messages(phone)) == 5


async def test_09_after_its_end(tmp_path: Path, sandbox_process: str, gateways: Gateways, phone: str) -> None:
    with (
        faked_server(tmp_path / "redis") as server,
        running_service(tmp_path, server.url, sandbox_process) as (url, _, _),
    ):
        service = sdk(url, API_KEY).verify.v2.services(WEB)
        await call(service.verifications.create, to=phone, channel="sms")
        code = (await gateways.codes(phone))[0]
        server.clock.move(minutes=11)
        with refused(404, 20404):
            await call(service.verification_checks.create, to=phone, code=code)


async def test_10_11_phones_and_countries(client: Client) -> None:
    service = client.verify.v2.services(WEB)
    with refused(400, 60200) as caught:
        await call(service.verifications.create, to="+7916", channel="sms")
    assert "`To`" in caught[0].msg
    with refused(403, 60605):
        await call(service.verifications.create, to="+4915123456789", channel="sms")


async def test_12_rate_limits_with_buckets(
    client: Client, admin_client: Client, gateways: Gateways, phone: str
) -> None:
    made = await call(admin_client.verify.v2.services.create, friendly_name="Limits")
    service = admin_client.verify.v2.services(made.sid)
    limit = await call(service.rate_limits.create, unique_name="end_user_ip", description="By address")
    bucket = await call(service.rate_limits(limit.sid).buckets.create, max=1, interval=60)
    assert (bucket.max, bucket.interval) == (1, 60)
    assert isinstance(bucket.date_created, datetime)
    assert [one.sid for one in await call(service.rate_limits.list)] == [limit.sid]
    changed = await call(service.rate_limits(limit.sid).buckets(bucket.sid).update, max=2)
    assert changed.max == 2
    create = client.verify.v2.services(made.sid).verifications.create
    for _ in range(2):
        await call(create, to=phone, channel="sms", rate_limits={"end_user_ip": "203.0.113.44"})
    with refused(429, 60207):
        await call(create, to=phone, channel="sms", rate_limits={"end_user_ip": "203.0.113.44"})
    assert await call(service.rate_limits(limit.sid).buckets(bucket.sid).delete)
    assert await call(service.rate_limits(limit.sid).delete)
    assert await call(service.delete)


async def test_13_14_attempts_and_summary(client: Client, gateways: Gateways, phone: str) -> None:
    service = client.verify.v2.services(WEB)
    first = await call(service.verifications.create, to=phone, channel="sms")
    for _ in range(4):
        await call(service.verifications.create, to=phone, channel="sms")
    await call(service.verification_checks.create, to=phone, code=(await gateways.codes(phone))[0])
    page = await call(client.verify.v2.verification_attempts.page, channel_data_to=phone, page_size=2)
    seen = [*page]
    assert len(seen) == 2
    # `next_page_url` is under the public URL, which this test cannot reach: its path is followed here.
    address = page.next_page_url
    assert address.startswith("https://otp.example.ru/twilio/v2/Attempts?")
    while address:
        local = address.replace("https://otp.example.ru/twilio", client.verify.base_url)
        page = await call(client.verify.v2.verification_attempts.get_page, local)
        seen += [*page]
        address = page.next_page_url
    assert len({one.sid for one in seen}) == 5
    assert [one.conversion_status for one in seen] == ["converted"] + ["unconverted"] * 4
    assert all(isinstance(one.date_created, datetime) for one in seen)
    one = await call(client.verify.v2.verification_attempts(seen[0].sid).fetch)
    assert (one.sid, one.verification_sid) == (seen[0].sid, first.sid)
    summary = await call(
        client.verify.v2.verification_attempts_summary().fetch,
        verify_service_sid=WEB,
        date_created_after=datetime.now(UTC) - timedelta(hours=1),
        destination_prefix=phone,
    )
    assert (summary.total_attempts, summary.total_converted, summary.total_unconverted) == (5, 1, 4)
    assert float(summary.conversion_rate_percentage) == 20.0


async def test_15_a_wrong_secret(service_urls: list[str], phone: str) -> None:
    with refused(401, 20003):
        await call(sdk(service_urls[0], "wrong").verify.v2.services(WEB).verifications.create, to=phone, channel="sms")


async def test_18_fifty_wrong_checks(client: Client, api: Api, gateways: Gateways, phone: str) -> None:
    service = client.verify.v2.services(WEB)
    await call(service.verifications.create, to=phone, channel="sms")
    code = (await gateways.codes(phone))[0]

    def check(n: int) -> str:
        try:
            found = service.verification_checks.create(to=phone, code=f"{(int(code) + n + 1) % 1_000_000:06}")
        except TwilioRestException as error:
            return str(error.code)
        return str(found.status)

    told = await asyncio.gather(*(asyncio.to_thread(check, n) for n in range(50)))
    assert told.count("pending") == 5
    assert set(told) == {"pending", "60202"}


async def test_19_services(admin_client: Client) -> None:
    services = admin_client.verify.v2.services
    made = await call(
        services.create, friendly_name="CRUD", code_length=5, lookup_enabled=True, totp_issuer="Shop", totp_skew=1
    )
    assert (made.friendly_name, made.code_length, made.lookup_enabled) == ("CRUD", 5, True)
    assert made.totp["issuer"] == "Shop"
    listed = await call(services.list, limit=50)
    assert listed[0].sid == WEB
    assert made.sid in [one.sid for one in listed]
    assert (await call(services(made.sid).fetch)).sid == made.sid
    assert (await call(services(made.sid).update, code_length=7)).code_length == 7
    assert await call(services(made.sid).delete)
    with refused(404, 20404):
        await call(services(made.sid).fetch)


async def test_20_a_signature_that_the_sdk_checks(service_urls: list[str]) -> None:
    from otp_service.webhooks.of_callers import signature

    url, pairs = "https://app.example.ru/hook?a=1", [("type", "factor.created"), ("uuid", "evt_1"), ("to", "+7916")]
    assert RequestValidator("token").validate(url, dict(pairs), signature("token", url, pairs))


async def test_21_more_fields_and_other_tables(
    client: Client, admin_client: Client, gateways: Gateways, phone: str
) -> None:
    await call(
        client.verify.v2.services(WEB).verifications.create,
        to=phone, channel="sms", locale="en", custom_friendly_name="x", custom_message="x", send_digits="1",
        amount="10", payee="x", channel_configuration={"substitutions": {}}, enable_sna_client_token=True,
        risk_check="enable", device_ip="203.0.113.9", app_hash="FA+9qCX9VSu",
    )  # fmt: skip
    templates = await call(client.verify.v2.templates.list)
    assert templates[0].sid.startswith("HJ")
    safe = admin_client.verify.v2.safelist
    added = await call(safe.create, phone_number=phone)
    assert added.sid.startswith("GN")
    assert (await call(safe(phone).fetch)).phone_number == phone
    assert await call(safe(phone).delete)


async def test_22_a_region_in_the_environment_leads_elsewhere(
    service_urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documented: with it the SDK rewrites the host, so it has to be unset."""
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    client = sdk("https://otp.example.ru", API_KEY)
    assert (
        client.get_hostname("https://otp.example.ru/twilio/v2/Services") != "https://otp.example.ru/twilio/v2/Services"
    )


async def test_totp(client: Client) -> None:
    entity = client.verify.v2.services(WEB).entities(str(uuid.uuid4()))
    factor = await call(entity.new_factors.create, friendly_name="Phone", factor_type="totp")
    totp = pyotp.TOTP(factor.binding["secret"])
    verified = await call(entity.factors(factor.sid).update, auth_payload=totp.now())
    assert verified.status == "verified"
    spent = await call(entity.challenges.create, factor_sid=factor.sid, auth_payload=totp.now())
    assert spent.status == "pending"
    assert [one.sid for one in await call(entity.factors.list)] == [factor.sid]
    assert (await call(entity.factors(factor.sid).fetch)).status == "verified"
    assert await call(entity.factors(factor.sid).delete)
    assert await call(entity.delete)


async def test_webhooks_of_a_service(
    service_urls: list[str], keys: dict[str, str], tmp_path: Path, redis_url: str, sandbox_process: str
) -> None:
    words = ("theirs", "--scope", "admin", "--scope", "read")
    key = await call(create_key, tmp_path, redis_url, sandbox_process, *words)
    webhooks = sdk(service_urls[0], key).verify.v2.services("theirs").webhooks
    made = await call(
        webhooks.create, friendly_name="All", event_types=["*"], webhook_url="https://app.example.ru/hook"
    )
    assert (made.event_types, made.status, made.version) == (["*"], "enabled", "v2")
    assert [one.sid for one in await call(webhooks.list)] == [made.sid]
    assert (await call(webhooks(made.sid).update, status="disabled")).status == "disabled"
    assert await call(webhooks(made.sid).delete)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_async_python(service_urls: list[str], gateways: Gateways, phone: str) -> None:
    http = AsyncTwilioHttpClient()
    try:
        client = sdk(service_urls[0], API_KEY, http_client=http)
        service = client.verify.v2.services(WEB)
        found = await service.verifications.create_async(to=phone, channel="sms")
        code = (await gateways.codes(phone))[0]
        assert (await service.verification_checks.create_async(to=phone, code=wrong(code))).valid is False
        assert (await service.verifications(found.sid).fetch_async()).status == "pending"
        assert (await service.verification_checks.create_async(to=phone, code=code)).status == "approved"
        with refused(404, 20404):
            await service.verification_checks.create_async(to=phone, code=code)
        attempts = await client.verify.v2.verification_attempts.list_async(verification_sid=found.sid)
        assert [one.conversion_status for one in attempts] == ["converted"]
    finally:
        await http.close()


# Node

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK as its registry has it, by the lock beside the story."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc", "story.mjs"):
        (folder / name).write_bytes((NODE / name).read_bytes())
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=300)
    return folder


@contextlib.asynccontextmanager
async def running_node(folder: Path, url: str, key: str, service: str = WEB) -> AsyncIterator[Node]:
    told = json.dumps({"url": url, "key": key, "service": service, "user": "my-app"})
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        "node", "story.mjs", told, cwd=folder, env=clean,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Node(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


@pytest.fixture
async def node(node_folder: Path, service_urls: list[str]) -> AsyncIterator[Node]:
    async with running_node(node_folder, service_urls[0], API_KEY) as found:
        yield found


async def test_node_the_life_of_a_verification(node: Node, gateways: Gateways, phone: str) -> None:
    first = await node("create", to=phone, locale="en", rateLimits={"end_user_ip": "203.0.113.1"})
    assert first["found"]["status"] == "pending", first
    assert first["isDate"]
    second = await node("create", to=phone)
    assert second["found"]["sid"] == first["found"]["sid"]
    for which in (phone, first["found"]["sid"]):
        assert (await node("fetch", which=which))["found"]["status"] == "pending"
    code = (await gateways.codes(phone))[0]
    assert (await node("check", to=phone, code=wrong(code)))["found"]["valid"] is False
    assert (await node("check", verificationSid=first["found"]["sid"], code=code))["found"]["status"] == "approved"
    over = await node("check", to=phone, code=code)
    assert (over["error"], over["status"], over["code"]) == ("RestException", 404, 20404)
    attempts = await node("attempts", verificationSid=first["found"]["sid"], dateCreatedAfter="2026-01-01T00:00:00Z")
    assert [one["conversionStatus"] for one in attempts["found"]] == ["converted", "unconverted"]
    assert (await node("summary", verificationSid=first["found"]["sid"]))["found"]["totalAttempts"] >= 2
    assert (await node("services"))["found"][0]["sid"] == WEB
    assert (await node("templates"))["found"][0]["channels"] == ["sms"]


async def test_node_errors(node: Node, gateways: Gateways, phone: str) -> None:
    for fields, status, code in (({"to": "+7916"}, 400, 60200), ({"to": "+4915123456789"}, 403, 60605)):
        told = await node("create", **fields)
        assert (told["error"], told["status"], told["code"]) == ("RestException", status, code)
    await node("create", to=phone)
    assert (await node("update", which=phone, status="canceled"))["found"]["status"] == "canceled"


async def test_17_node_auto_retry_sends_nothing_twice(
    node_folder: Path, service_urls: list[str], keys: dict[str, str], gateways: Gateways, phone: str
) -> None:
    """A 429 is repeated three times: none of them sends, counts or prolongs anything."""
    async with running_node(node_folder, service_urls[0], keys["strict"], "strict") as node:
        assert (await node("createRetrying", to=phone))["found"]["status"] == "pending"
        told = await node("createRetrying", to=phone)
        assert (told["status"], told["code"]) == (429, 20429)
        assert len((await node("fetch", which=phone))["found"]["sendCodeAttempts"]) == 1
    assert len(await gateways.messages(phone)) == 1
