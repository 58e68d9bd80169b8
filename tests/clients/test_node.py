"""The Node client and its better-auth adapter: built from their sources, run against the service."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.api import Gateways
from tests.clients.conftest import CLIENTS
from tests.clients.idle_closing import closing_idle_connections
from tests.hooks import NEW, OLD
from tests.node import Node
from tests.running import API_KEY
from tests.stories.test_check import wrong

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What its registry has by the lock, and our client as TypeScript makes it."""
    folder = tmp_path_factory.mktemp("node-client")
    for name in ("package.json", "package-lock.json", ".npmrc", "story.mjs"):
        (folder / name).write_bytes((HERE / name).read_bytes())
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=300)
    sources = folder / "sources"
    sources.mkdir()
    for source in (CLIENTS / "node" / "src").glob("*.ts"):
        (sources / source.name).write_bytes(source.read_bytes())
    options = json.loads((CLIENTS / "node" / "tsconfig.json").read_text())
    options["compilerOptions"] |= {"outDir": "client", "rootDir": "sources"}
    (folder / "tsconfig.json").write_text(json.dumps(options | {"include": ["sources"]}))
    subprocess.run(["npx", "tsc", "-p", "."], cwd=folder, check=True, timeout=120)
    return folder


@pytest.fixture
async def node(built: Path, service_urls: list[str]) -> AsyncIterator[Node]:
    told = json.dumps({"url": service_urls[0], "key": API_KEY})
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        "node", "story.mjs", told, cwd=built, env=clean | {"BETTER_AUTH_TELEMETRY": "0"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Node(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


async def test_the_client(node: Node, gateways: Gateways, phone: str) -> None:
    started = (await node("start", to=phone, purpose="login"))["found"]
    code = (await gateways.codes(phone))[0]
    assert (await node("check", id=started["id"], code=wrong(code), to=phone))["found"]["outcome"] == "wrong_code"
    assert (await node("checkPhone", to=phone, code=code, purpose="login"))["found"]["approved"]
    assert (await node("get", id=started["id"]))["found"]["status"] == "approved"
    assert [one["id"] for one in (await node("search", to=phone))["found"]] == [started["id"]]
    delivery = (await node("deliver", to=phone, code="XY12-ZZ"))["found"]
    assert delivery["id"].startswith("dlv_")
    assert (await node("converted", id=delivery["id"]))["found"]["converted_at"]
    told = {"verification.created", "verification.approved", "delivery.created"}
    deadline = time.monotonic() + 30
    while not told <= set(found := (await node("events", about=[started["id"], delivery["id"]]))["found"]):
        assert time.monotonic() < deadline, found  # a worker passes them on
        await asyncio.sleep(0.1)
    refused = await node("start", to="+4915123456789")
    assert (refused["error"], refused["code"], refused["status"]) == ("Refused", "country_not_allowed", 403)


async def test_lost_answers(node: Node, gateways: Gateways, phone: str) -> None:
    assert (await node("lossy", to=phone, count=2))["found"]["status"] == "pending"
    assert len(await gateways.messages(phone)) == 1
    assert (await node("lossy", to=phone, count=9))["error"] == "NoAnswer"


async def test_p12_a_connection_that_is_being_closed_costs_nothing(node: Node) -> None:
    async with closing_idle_connections(answered=2) as server:
        assert (await node("closing", url=server.url, count=5)).get("found") == 5
    assert len(server.keys) > 5  # fetch may open a second connection meanwhile, so how often one closes is its own
    assert len(set(server.keys)) == 5
    assert "" not in server.keys
    async with closing_idle_connections(answered=0) as server:
        assert (await node("closing", url=server.url, count=1))["error"] == "NoAnswer"
    assert len(server.keys) == 2


async def test_webhooks(node: Node) -> None:
    import datetime

    body = '{"type":"x","timestamp":"2026-01-01T00:00:00Z","sequence":1,"data":{}}'
    now = datetime.datetime.now(datetime.UTC)
    headers = {
        "Webhook-Id": "evt_1", "Webhook-Timestamp": str(int(time.time())),
        "Webhook-Signature": Webhook(OLD).sign("evt_1", now, body),
    }  # fmt: skip
    headers["Webhook-Timestamp"] = str(int(now.timestamp()))
    good = await node("webhook", secret=[NEW, OLD], headers=headers, body=body)
    assert good["found"] == {"id": "evt_1", "type": "x", "timestamp": "2026-01-01T00:00:00Z", "sequence": 1, "data": {}}
    assert (await node("webhook", secret=NEW, headers=headers, body=body))["error"] == "InvalidSignature"
    assert (await node("webhook", secret=OLD, headers=headers, body=body + " "))["error"] == "InvalidSignature"


async def test_better_auth_with_codes_of_ours(node: Node, gateways: Gateways, phone: str) -> None:
    assert "error" not in await node("ownedSend", phoneNumber=phone)
    code = (await gateways.codes(phone))[0]
    refused = await node("ownedVerify", phoneNumber=phone, code=wrong(code))
    assert refused["error"] == "APIError"
    assert refused["status"] == 400
    signed_in = await node("ownedVerify", phoneNumber=phone, code=code)
    assert signed_in["found"]["user"]["phoneNumber"] == phone
    assert (await node("ownedVerify", phoneNumber=phone, code=code))["error"] == "APIError"
    told = await node("ownedSend", phoneNumber="+4915123456789")
    assert (told["error"], told["status"], told["code"]) == ("APIError", 400, "COUNTRY_NOT_ALLOWED")


async def test_better_auth_with_codes_of_its_own(node: Node, gateways: Gateways, phone: str) -> None:
    assert "error" not in await node("theirsSend", phoneNumber=phone)
    code = (await gateways.codes(phone))[0]
    assert "is your Example code" in (await gateways.messages(phone))[0]["text"]
    assert (await node("theirsVerify", phoneNumber=phone, code=code))["found"]["user"]["phoneNumber"] == phone


def test_openapi_typescript_makes_types(built: Path, service_urls: list[str]) -> None:
    """Types that compile, with the fields of requests and answers known."""
    address = f"{service_urls[0]}/schema/openapi.json"
    made = ["npx", "openapi-typescript", address, "--default-non-nullable", "false", "-o", "api.ts"]
    subprocess.run(made, cwd=built, check=True, timeout=120)
    (built / "uses.ts").write_text(
        """import type { components, operations } from "./api.js";
const start: components["schemas"]["StartVerification"] = { to: "+79161234567", channel: "sms" };
const delivery: components["schemas"]["DeliveryView"]["status"] = "queued";
type Problem = operations["deliver"]["responses"][422]["content"]["application/problem+json"];
const code: Problem["code"] = "invalid_phone";
export { start, delivery, code };
"""
    )
    arguments = ["npx", "tsc", "--noEmit", "--strict", "--module", "NodeNext", "--moduleResolution", "NodeNext"]
    done = subprocess.run([*arguments, "uses.ts"], cwd=built, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
