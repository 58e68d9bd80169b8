"""Every code block of the documents does what it says, or a comment above it says why it is not tried.

`<!-- not run: needs an account at a provider -->` right above a block is that comment. A block without a language is
refused; `text` is for pictures and output. What is tried by a test of its own page stands in `ELSEWHERE`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from defusedxml import ElementTree
from prometheus_client.metrics import MetricWrapperBase
from redis.asyncio import Redis

from otp_service import cli, settings
from otp_service.gateways import registry
from otp_service.telemetry import metrics
from tests.api import Api
from tests.cli.test_run import Run, running
from tests.clients import conftest as _clients_of_ours  # noqa: F401  makes them importable
from tests.docs import blocks
from tests.docs.blocks import ALL, ROOT, Block
from tests.running import RedisServer, free_port
from tests.test_project import commands

ELSEWHERE = {
    ("README.md", "sh", "story()"): "tests/cli/test_run.py",
    ("docs/adding-a-gateway.md", "python", ""): "tests/gateways/test_shared_contract.py",
    ("docs/adding-a-gateway.md", "toml", "[project"): "tests/gateways/test_shared_contract.py",
    ("README.md", "sh", "otp-service serve"): "tests/docs/test_first_settings.py",
    ("deploy/README.md", "sh", ""): "tests/docs/test_one_machine.py",
    ("docs/phone-login.md", "python", ""): "tests/docs/test_phone_login.py",
    ("docs/phone-login.md", "html", ""): "tests/docs/test_phone_login.py",
    ("docs/two-factor.md", "python", ""): "tests/stories/test_guide.py",
    ("docs/webhooks.md", "python", ""): "tests/outbound/test_samples.py",
    ("docs/webhooks.md", "js", ""): "tests/outbound/test_samples.py",
    ("docs/webhooks.md", "php", ""): "tests/outbound/test_samples.py",
    ("docs/webhooks.md", "sh", "openssl dgst"): "tests/outbound/test_samples.py",
}
"""Page, language and what is in the block → the test that takes it from the page and runs it."""

TRIED = {"json", "toml", "yaml", "xml", "jsonnet", "python", "ts", "js", "php", "sh", "nginx", "redis", "html"}
OTHERS = {"text"}


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_block_has_a_language_that_is_tried(block: Block) -> None:
    assert block.language in TRIED | OTHERS or block.not_run, "say its language; `text` for what is no code"
    assert not (block.language in OTHERS and block.not_run), "text needs no excuse"


def elsewhere(block: Block) -> bool:
    return any(block.is_of(*key) for key in ELSEWHERE)


def here(*languages: str) -> list[Block]:
    return [block for block in blocks.of(*languages) if not elsewhere(block)]


@pytest.mark.parametrize(("key", "path"), ELSEWHERE.items(), ids=str)
def test_what_is_tried_elsewhere_is(key: tuple[str, str, str], path: str) -> None:
    assert any(block.is_of(*key) for block in ALL), "there is no such block any more"
    assert re.search(rf"\b{key[0].rpartition('/')[2]}\b", (ROOT / path).read_text("utf-8"))


# JSON: it parses; requests and answers are those of the OpenAPI document, and requests are accepted.


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "site" / "build.py")
    assert spec
    assert spec.loader
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return cast("dict[str, Any]", build.openapi())


def values_of(text: str) -> list[Any]:
    """The JSON values that stand one after another, in which no field is named twice."""
    found, decoder = [], json.JSONDecoder(object_pairs_hook=_once)
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def unlike(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str = "$") -> list[str]:
    """What a value has that the schema does not, and the other way round.

    Stricter than a validator: a field that the schema does not name is a fault. `…` in a text stands for any text,
    `"…": "…"` for the other fields.
    """
    if "$ref" in schema:
        return unlike(value, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, where)
    for word in ("oneOf", "anyOf"):
        if word in schema:
            tried = [unlike(value, each, document, where) for each in schema[word]]
            return min(tried, key=len)
    if isinstance(value, str) and "…" in value:
        return []
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(_is(value, kind) for kind in kinds)
    if kinds and not fits:
        return [f"{where}: {value!r} is no {kinds}"]
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{where}: {value!r} is not like {schema['pattern']}"]
    if isinstance(value, list):
        return [
            fault
            for n, each in enumerate(value)
            for fault in unlike(each, schema.get("items", {}), document, f"{where}[{n}]")
        ]
    if not isinstance(value, dict):
        return []
    known, more = schema.get("properties", {}), schema.get("additionalProperties", not schema.get("properties"))
    missing = (
        [] if "…" in value else [f"{where}.{name} is missing" for name in set(schema.get("required", ())) - set(value)]
    )
    unknown = [f"{where}.{name} is not in the schema" for name in set(value) - set(known) - {"…"} if more is False]
    inner = [
        fault for name, each in value.items()
        for fault in unlike(each, known.get(name, more if isinstance(more, dict) else {}), document, f"{where}.{name}")
    ]  # fmt: skip
    return missing + unknown + inner


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


@pytest.mark.parametrize("block", blocks.of("json"), ids=str)
async def test_json(block: Block, document: dict[str, Any], api: Api) -> None:
    values = values_of(block.text)
    assert values
    if not (block.operation and block.page.startswith("docs/") and "/gateways/" not in block.page):
        return
    method, path = block.operation
    shape = re.sub(r"{\w+}", "{}", path)
    paths = {re.sub(r"{\w+}", "{}", known): found for known, found in document["paths"].items()}
    operation = paths[shape][method.lower()]
    (value,) = values
    if block.answer or method == "GET":
        content = operation["responses"][block.answer or "200"]["content"]
        assert unlike(value, content["application/json"]["schema"], document) == []
    else:
        assert unlike(value, operation["requestBody"]["content"]["application/json"]["schema"], document) == []
        if "{" not in path:
            answer = await api.post(path, value)
            assert answer.status_code < 300, answer.text


# TOML: settings that are taken, over the least that a service needs.

SOMEWHERE = {"base_url": "https://127.0.0.1", "sender": "DEMO"}
BASE: dict[str, Any] = {
    "service": {"secret": "x" * 32, "public_url": "https://otp.example.ru"},
    "gateways": {
        "smska": {"kind": "smska", "api_key": "demo", "api_password": "demo-password", **SOMEWHERE},
        "telegram": {"kind": "telegram", "token": "demo-token"},
        "viber": {"kind": "targetsms-json", "login": "demo", "password": "demo", "cascade": "viber", **SOMEWHERE},
        "mail": {"kind": "smtp", "base_url": "smtps://127.0.0.1", "sender": "codes@example.ru"},
        "targetsms-xml": {"kind": "targetsms-xml", "login": "demo", "password": "demo-password", **SOMEWHERE},
    },
    "routes": {
        channel: {"gateways": [name]}
        for channel, name in {"sms": "smska", "telegram": "telegram", "viber": "viber", "email": "mail"}.items()
    },
    "applications": {"web": {"brand": "Example"}},
}  # fmt: skip
SECRETS = {"OTP_WEBHOOK_SECRET": "whsec_" + "QUFB" * 8, "SUPABASE_HOOK_SECRET": "v1,whsec_" + "QUFB" * 8}


def laid(over: dict[str, Any], under: dict[str, Any]) -> dict[str, Any]:
    """Table by table, key by key."""
    both = {
        name: laid(over[name], under[name]) for name in over.keys() & under.keys()
        if isinstance(over[name], dict) and isinstance(under[name], dict)
    }  # fmt: skip
    return under | over | both


@pytest.mark.parametrize("block", here("toml"), ids=str)
def test_toml(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = tomllib.loads(block.text.replace("file:/run/secrets", f"file:{tmp_path}"))
    (tmp_path / "redis-url").write_text("redis://127.0.0.1:6379/0\n")
    if not any(isinstance(value, dict | list) for value in tables.values()):
        tables = {"applications": {"web": {"texts": tables}}}  # a key of the table that the text above names
    named = dict.fromkeys(re.findall(r'"env:([A-Z_]+)"', block.text), "demo-secret-" + "x" * 32)
    found = settings.load(named | SECRETS, laid(tables, BASE))
    for name, table in found.gateways.items():
        asyncio.run(registry.build(name, table).close())


# Other notations


@pytest.mark.parametrize("block", blocks.of("yaml"), ids=str)
def test_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", blocks.of("xml"), ids=str)
def test_xml(block: Block) -> None:
    assert len(ElementTree.fromstring(block.text)) > 1


@pytest.mark.parametrize("block", blocks.of("jsonnet"), ids=str)
def test_jsonnet_is_the_file_that_we_ship(block: Block) -> None:
    assert block.text.strip() in (ROOT / "clients" / "kratos" / "sms.jsonnet").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed (Debian: nginx-light)")
@pytest.mark.parametrize("block", blocks.of("nginx"), ids=str)
def test_nginx(block: Block, tmp_path: Path) -> None:
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=x",
        "-keyout",
        "key",
        "-out",
        "pem",
    ]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    certificate = f"ssl_certificate {tmp_path}/pem; ssl_certificate_key {tmp_path}/key;"
    site = block.text.replace("# ssl_certificate …; ssl_certificate_key …;", certificate)
    assert certificate in site
    main = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {site} }}"
    (tmp_path / "nginx.conf").write_text(main.replace("listen 443", f"listen 127.0.0.1:{free_port()}"))
    done = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], capture_output=True, text=True
    )
    assert "successful" in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks.of("redis"), ids=str)
async def test_settings_of_redis(block: Block, tmp_path: Path) -> None:
    """Each line is taken by a server: as a command where it is one, else as a directive."""
    server = RedisServer(tmp_path)
    try:
        async with Redis.from_url(server.url, protocol=2) as redis:
            for line in block.text.splitlines():
                if not line.startswith("#"):
                    words = line.split()
                    assert (
                        await redis.execute_command(*(words if words[0].isupper() else ["CONFIG", "SET", *words]))
                        == b"OK"
                    )
    finally:
        server.kill()


# Programs: against a running service, as a person pastes them.


SETTINGS = """
[[applications.web.webhooks]]
url = "http://127.0.0.1:%d/hooks/otp"
secret = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
[applications.web]
brand = "Example"
resend_pause_seconds = [0]
[webhooks]
allow_networks = ["127.0.0.0/8"]
"""


class Receiver(BaseHTTPRequestHandler):
    """Takes every webhook."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """`otp-service run`, and in front of the PATH what a person at that machine has."""
    folder = tmp_path_factory.mktemp("run")
    programs = folder / "bin"
    programs.mkdir()
    for name, line in {
        "otp-service": f'exec {sys.executable} -m otp_service "$@"',
        "make": f'exec {shutil.which("make")} --dry-run -C {ROOT} "$@"',  # the target is there; it is not made
        "python": f'cd {ROOT} && exec {sys.executable} "$@" --help',  # the module is there; it may take minutes
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        (folder / "otp-service.toml").write_text(SETTINGS % receiver.server_port)
        with running(folder, folder / "run.log") as found:
            with found.http() as http:  # the phone of the examples has a history
                assert http.post("/v1/verifications", json={"to": "+79161234567"}, timeout=30).status_code == 201
            yield found
        receiver.shutdown()


def endpoint(run: Run) -> str:
    return shell(run, "otp-service webhooks list").splitlines()[1].split()[0]


def pasted(run: Run, text: str) -> str:
    """The addresses of the documents are those of this run, the key is its key."""
    for written, meant in {
        "http://127.0.0.1:8000": run.service,
        "https://otp.example.ru": run.service,
        "http://127.0.0.1:8001": run.sandbox,
        '"API KEY"': f'"{run.key}"',
        "ENDPOINT": endpoint(run) if "ENDPOINT" in text else "",
    }.items():
        text = text.replace(written, meant)
    return text


def shell(run: Run, text: str) -> str:
    """What it prints; it must not fail."""
    folder = run.log.parent
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTP_")}
    environ |= {"PATH": f"{folder / 'bin'}:{environ['PATH']}", "OTP_API_KEY": run.key}
    environ |= {"OTP_PORT": run.service.rpartition(":")[2], "OTP_SANDBOX_PORT": run.sandbox.rpartition(":")[2]}
    words = ["bash", "-euo", "pipefail", "-c", pasted(run, text)]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", here("sh"), ids=str)
def test_shell(block: Block, run: Run) -> None:
    shell(run, block.text)


@pytest.mark.slow
@pytest.mark.parametrize("block", here("python"), ids=str)
def test_python(block: Block, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_API_KEY", run.key)
    names: dict[str, Any] = {"OTP_API_KEY": run.key, "os": os}
    if "/django/" in block.page:
        django, conf = pytest.importorskip("django"), pytest.importorskip("django.conf")
        if not conf.settings.configured:
            apps = ["django.contrib.auth", "django.contrib.contenttypes", "allauth", "allauth.account"]
            conf.settings.configure(INSTALLED_APPS=apps, MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"])
            django.setup()
    if "client.verify" in block.text:
        names["Client"] = pytest.importorskip("twilio.rest").Client
    exec(compile(pasted(run, block.text), str(block), "exec"), names)


# What stands in a sentence

ALERTS = (ROOT / "helm/otp-service/files/alerts.yaml", ROOT / "deploy/prometheus.yml")
METRICS = {metric._name for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)}
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@pytest.mark.parametrize("page", blocks.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_alerts_and_metrics_in_sentences_exist(page: Path) -> None:
    """`otp-service keys create --scope …` is a command with such an option; so with alerts and metrics."""
    if page.name == "CHANGELOG.md":
        return  # of every version
    known: dict[str, set[str]] = {}
    for command, action in commands(cli.parser()):
        known.setdefault(command, set()).update(action.option_strings)
    alerts = set(re.findall(r"alert: (\w+)", "".join(path.read_text("utf-8") for path in ALERTS)))
    for text in INLINE.findall(page.read_text("utf-8")):
        if words := re.match(r"otp-service ([a-z][a-z-]*)(?: ([a-z][a-z-]+))?", text):
            first, second = words.groups()
            full = f"{first} {second}" if f"{first} {second}" in known else first
            assert full in known or any(name.startswith(f"{first} ") for name in known), text
            for option in re.findall(r" (--[a-z-]+)", text):
                assert option in known.get(full, set()), text
        if re.fullmatch(r"Otp[A-Z]\w+", text):
            assert text in alerts, text
        if found := re.match(r"(otp_(?!service)[a-z_]+?)(?:_(?:total|bucket|sum|count))?(?:$|\{)", text):
            assert found[1] in METRICS, text
