"""Settings that cannot work are refused at start, in one sentence that names the key, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.running import SECRET, SETTINGS, free_port

PASSWORD = "a-gateway-password-7f3a"
BASE = SETTINGS.replace("demo-password", PASSWORD)

# Environment variable, value, what the sentence must name.
BROKEN = [
    ("TEST_SECRET", "", "service.secret"),
    ("TEST_SECRET", "too short", "service.secret"),
    ("OTP__SERVICE__SECRET", f"{SECRET},short", "service.secret"),
    ("OTP__SERVICE__SECRET", "file:/no/such/file", "service.secret"),
    ("OTP__SERVICE__SECRET", "env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
    ("OTP__SERVICE__ENVIRONMENT", "staging", "service.environment"),
    ("OTP__SERVICE__PUBLIC_URL", "http://otp.example.ru", "service.public_url"),
    ("OTP__SERVICE__PUBLIC_URL", "otp.example.ru", "service.public_url"),
    ("OTP__SERVICE__PUBLIC_URL", "https://", "service.public_url"),
    ("OTP__SERVICE__PUBLIC_URL", "https://[", "service.public_url"),
    ("OTP__SERVICE__SECRETS", "x", "secrets"),
    ("OTP__SERVICE", "x", "OTP__SERVICE"),
    ("OTP__SERVICE__", "x", "OTP__SERVICE__"),
    ("OTP__", "x", "OTP__"),
    ("OTP__SERVICES__SECRET", "x", "OTP__SERVICES__SECRET"),
    ("OTP__APPLICATIONS__BRAND", "x", "OTP__APPLICATIONS__BRAND"),
    ("OTP__APPLICATIONS__WEB__BRAND__X", "x", "OTP__APPLICATIONS__WEB__BRAND__X"),
    ("OTP__HTTP__TRUSTED_PROXIES", "10.0.0.1/8", "http.trusted_proxies"),
    ("OTP__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,everybody", "http.trusted_proxies"),
    ("OTP__HTTP__MAX_CONNECTIONS", "0", "http.max_connections"),
    ("OTP__RETENTION__AUDIT_SECONDS", "60", "retention.audit_seconds"),
    ("OTP__REDIS__URL", "http://127.0.0.1", "redis.url"),
    ("OTP__REDIS__URL", "", "redis.url"),
    ("OTP__REDIS__URL", "embedded:", "redis.url"),
    ("OTP__REDIS__URL", "embedded:/proc/nowhere", "redis.url"),
    ("OTP__REDIS__URL", "redis://127.0.0.1:port/0", "redis.url"),
    ("OTP__REDIS__URL", "redis://127.0.0.1:99999/0", "redis.url"),
    ("OTP__REDIS__URL", "redis://127.0.0.1:6379/zero", "redis.url"),
    ("OTP__REDIS__URL", "redis://127.0.0.1:6379/0?socket_timeout=soon", "redis.url"),
    ("OTP__REDIS__MAX_CONNECTIONS", "many", "redis.max_connections"),
    ("OTP__REDIS__MAX_CONNECTIONS", "0", "redis.max_connections"),
    ("OTP__REDIS__CONFIRM_REPLICAS", "9", "redis.confirm_replicas"),
    ("OTP__REDIS__ALLOW_NO_PERSISTENCE", "maybe", "redis.allow_no_persistence"),
    ("OTP__REDIS__TIMEOUT_SECONDS", "nan", "redis.timeout_seconds"),
    ("OTP__HASHING__MEMORY_KIB", "1", "hashing.memory_kib"),
    ("OTP__HASHING__TIME_COST", "0", "hashing.time_cost"),
    ("OTP__HASHING__QUEUE", "-1", "hashing.queue"),
    ("OTP__RETENTION__ENDED_SECONDS", "1", "retention.ended_seconds"),
    ("OTP__ROUTES__SMS__GATEWAYS", "nobody", "routes.sms.gateways"),
    ("OTP__ROUTES__SMS__GATEWAYS", "smska,smska", "routes.sms.gateways"),
    ("OTP__ROUTES__SMS__GATEWAYS", "", "routes.sms.gateways"),
    ("OTP__ROUTES__SMS__DEADLINE_SECONDS", "1", "routes.sms.deadline_seconds"),
    ("OTP__ROUTES__SMS__DEADLINE_SECONDS", "nan", "routes.sms.deadline_seconds"),
    ("OTP__ROUTES__SMS__DEADLINE_SECONDS", "inf", "routes.sms.deadline_seconds"),
    ("OTP__ROUTES__SMS__RESERVE_SECONDS", "-1", "routes.sms.reserve_seconds"),
    ("OTP__APPLICATIONS__WEB__BRAND", "", "applications.web.brand"),
    ("OTP__APPLICATIONS__WEB__BRAND", "B" * 41, "applications.web.brand"),
    ("OTP__APPLICATIONS__WEB__BRAND", "Two\nlines", "applications.web.brand"),
    ("OTP__APPLICATIONS__WEB__REGION", "ru", "applications.web.region"),
    ("OTP__APPLICATIONS__WEB__REGION", "RU\n", "applications.web.region"),
    ("OTP__APPLICATIONS__WEB__REGION", "XX", "applications.web.region"),
    ("OTP__APPLICATIONS__WEB__COUNTRIES", "Russia", "applications.web.countries"),
    ("OTP__APPLICATIONS__WEB__CODE_LENGTH", "3", "applications.web.code_length"),
    ("OTP__APPLICATIONS__WEB__CODE_LENGTH", "11", "applications.web.code_length"),
    ("OTP__APPLICATIONS__WEB__CODE_LENGTH", "6.5", "applications.web.code_length"),
    ("OTP__APPLICATIONS__WEB__TTL_SECONDS", "60", "applications.web.ttl_seconds: must be 120 or more"),
    ("OTP__APPLICATIONS__WEB__TTL_SECONDS", "4", "applications.web.ttl_seconds"),
    ("OTP__APPLICATIONS__WEB__TTL_SECONDS", "601", "applications.web.ttl_seconds"),
    ("OTP__APPLICATIONS__WEB__MAX_ATTEMPTS", "0", "applications.web.max_attempts"),
    ("OTP__APPLICATIONS__WEB__MAX_SENDS", "100", "applications.web.max_sends"),
    ("OTP__APPLICATIONS__WEB__RESEND_PAUSE_SECONDS", "30,soon", "applications.web.resend_pause_seconds"),
    ("OTP__APPLICATIONS__WEB__LOCALE", "xx", "applications.web.locale"),
    ("OTP__APPLICATIONS__WEB__BRANDT", "x", "brandt"),
    ("OTP__APPLICATIONS__WEB__BRAND", "Shop\\n@evil.example #1", "applications.web.brand: holds U+005C"),
    ("OTP__APPLICATIONS__WEB__BRAND", "Sh\u200bop", "applications.web.brand: holds U+200B"),
    ("OTP__APPLICATIONS__WEB__BRAND", "{код}", "applications.web.brand"),
    ("OTP__APPLICATIONS__WEB__TEXTS", "x", "OTP__APPLICATIONS__NAME__TEXTS__KEY"),
    ("OTP__APPLICATIONS__WEB__TEXTS__XX", "{code}", "applications.web.texts: there is no key 'xx'"),
    ("OTP__APPLICATIONS__WEB__TEXTS__RU", "Код {cod}", "applications.web.texts.ru: there is no placeholder {cod}"),
    ("OTP__APPLICATIONS__WEB__TEXTS__RU", "Код {brand}", "applications.web.texts.ru: needs {code}"),
    ("OTP__APPLICATIONS__WEB__TEXTS__EN", "{code}\r\n#", "applications.web.texts.en: holds U+000D"),
    ("OTP__APPLICATIONS__WEB__TEXTS__EN", "{code}" + "x" * 395, "applications.web.texts.en"),
    ("OTP__APPLICATIONS__WEB__TEXTS__EN", "{code}" + "ж" * 129, "applications.web.texts.en: 2 parts are the most"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", "login.example.ru", "applications.web.webotp_origin"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", "https://пример.рф", "applications.web.webotp_origin"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", "https://example.ru:8443", "applications.web.webotp_origin"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", "https://example.ru #1", "applications.web.webotp_origin"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", "https://127.0.0.1", "applications.web.webotp_origin"),
    ("OTP__APPLICATIONS__WEB__WEBOTP_ORIGIN", f"https://{'a' * 60}.{'b' * 60}.ru", "2 parts are the most"),
    ("OTP__APPLICATIONS__WEB__ANDROID_HASH", "FA+9qCX9VS", "applications.web.android_hash"),
    ("OTP__APPLICATIONS__WEB__ANDROID_HASH", "FA+9qCX9VS ", "applications.web.android_hash"),
    ("OTP__GATEWAYS__SMSKA__KIND", "smsaero", "gateways.smska.kind"),
    ("OTP__GATEWAYS__SMSKA__KIND", "targetsms-xml", "gateways.smska"),
    ("OTP__GATEWAYS__SMSKA__BASE_URL", "ftp://x", "gateways.smska.base_url"),
    ("OTP__GATEWAYS__SMSKA__BASE_URL", "https://user:pw@x", "gateways.smska.base_url"),
    ("OTP__GATEWAYS__SMSKA__BASE_URL", "https://x:port", "gateways.smska.base_url"),
    ("OTP__GATEWAYS__SMSKA__BASE_URL", "http://my2.sms-ka.net", "allow_plaintext"),
    ("OTP__GATEWAYS__SMSKA__SENDER", "", "gateways.smska.sender"),
    ("OTP__GATEWAYS__SMSKA__SENDER", "S" * 16, "gateways.smska.sender"),
    ("OTP__GATEWAYS__SMSKA__API_PASSWORD", "", "gateways.smska.api_password"),
    ("OTP__GATEWAYS__SMSKA__API_PASSWORD", "env:NO_SUCH_VARIABLE", "gateways.smska.api_password"),
    ("OTP__GATEWAYS__SMSKA__PASSWROD", "x", "passwrod"),
    ("OTP__GATEWAYS__SMSKA__MAX_PARALLEL", "0", "gateways.smska.max_parallel"),
    ("OTP__GATEWAYS__SMSKA__ATTEMPT_SECONDS", "nan", "gateways.smska.attempt_seconds"),
    ("OTP__MONEY__TIME_ZONE", "Moscow", "money.time_zone"),
    ("OTP__MONEY__TIME_ZONE", "Europe", "money.time_zone"),
    ("OTP__MONEY__TIME_ZONE", "/etc/passwd", "money.time_zone"),
    ("OTP__GATEWAYS__TARGETSMS_XML__TIME_ZONE", "Moscow", "gateways.targetsms-xml.time_zone"),
    ("OTP__GATEWAYS__TARGETSMS_XML__TIME_ZONE", "../../etc/passwd", "gateways.targetsms-xml.time_zone"),
    ("OTP__GATEWAYS__TARGETSMS_PASSWORD__STATE_BASE_URL", "x", "gateways.targetsms-password.state_base_url"),
    ("OTP__WEBHOOKS__ALLOW_NETWORK", "10.0.0.0/8", "allow_network"),
    ("OTP_CONFIG", "/no/such/file.toml", "/no/such/file.toml"),
    ("OTP_CONFIG", "/", "OTP_CONFIG"),
    ("OTP_PORT", "http", "OTP_PORT"),
    ("OTP_PORT", "0", "OTP_PORT"),
    ("OTP_PORT", "65536", "OTP_PORT"),
    ("OTP_PORT", "²", "OTP_PORT"),
    ("OTP_PORT", "", "OTP_PORT"),
    ("OTP_HOST", "no.such.host.invalid", "OTP_HOST"),
    ("OTP_BOOTSTRAP_API_KEY", "short", "OTP_BOOTSTRAP_API_KEY"),
    ("OTP_BOOTSTRAP_API_KEY", "k" * 31 + " ", "OTP_BOOTSTRAP_API_KEY"),
    ("OTP_BOOTSTRAP_API_KEY", "ключ" * 10, "OTP_BOOTSTRAP_API_KEY"),
    ("OTP_BOOTSTRAP_API_KEY", "k" * 257, "OTP_BOOTSTRAP_API_KEY"),
]  # fmt: skip

# What stands in the file instead of what, and what the sentence must name.
FILES = [
    ("[redis]", "[reddis]", "reddis"),
    ("[redis]", "[redis", "otp-service.toml"),
    ("[redis]", "[service]", "otp-service.toml"),
    ("[redis]", "redis = 1\n[hashing]", "redis"),
    ('secret = "env:TEST_SECRET"', "secret = 5", "service.secret"),
    ('secret = "env:TEST_SECRET"', "secret = []", "service.secret"),
    ('secret = "env:TEST_SECRET"', 'secret = ["env:TEST_SECRET", 1]', "service.secret"),
    ('secret = "env:TEST_SECRET"', "", "secret"),
    ('url = "env:TEST_REDIS"', "url = true", "redis.url"),
    ("[applications.web]", "[applications.Web]", "applications.Web"),
    ("[applications.web]", '[applications."web\\n"]', "applications.web"),
    ("[applications.web]", "[applications.web.deep]", "applications.web"),
    ("[applications.web]", "[[applications.web]]", "applications.web"),
    ('brand = "Example"', "brand = 7", "applications.web.brand"),
    ('brand = "Example"', "", "applications.web.brand"),
    ('brand = "Example"', 'brand = "E"\ntexts = "x"', "applications.web.texts"),
    ('brand = "Example"', 'brand = "E"\ntexts.ru = 5', "applications.web.texts.ru"),
    (
        '[routes.sms]\ngateways = ["targetsms-password", "targetsms-xml", "smska"]',
        (
            '[applications.b]\nbrand = "B"\nwebotp_origin = "https://example.ru"\n'
            '[routes.sms]\ngateways = ["targetsms-password"]'
        ),
        "applications.b.webotp_origin: its line repeats the code, so routes.sms",
    ),
    ("[routes.sms]", "[routes.smss]", "routes.sms"),
    ('kind = "smska"', "", "gateways.smska.kind"),
    ('kind = "smska"', "kind = 1", "gateways.smska.kind"),
    ('api_key = "demo"', "", "api_key"),
    ('api_key = "demo"', "api_key = 5", "gateways.smska.api_key"),
    ('base_url = "env:TEST_SANDBOX"\napi_key', "base_url = 5\napi_key", "gateways.smska.base_url"),
]


def short(text: str) -> str:
    """For the name of a test, which has to be the same in every process that collects it."""
    return text.replace(SECRET, "SECRET").encode("unicode_escape").decode()[:40]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "otp-service.toml").write_text(BASE)
    return {
        "OTP_CONFIG": str(tmp_path / "otp-service.toml"),
        "OTP_PORT": str(free_port()),
        "TEST_SECRET": SECRET,
        "TEST_REDIS": f"redis://127.0.0.1:{free_port()}/0",
        "TEST_SANDBOX": "http://127.0.0.1:9",
    }


def refused(commands: Commands, environ: dict[str, str], folder: Path, named: str, redis_url: str = "") -> None:
    """By `serve`, and by `doctor` in the same words."""
    found = commands.run("serve", environ=environ, folder=folder, seconds=2)
    assert found.code == 2, found
    assert "Traceback" not in found.text
    assert found.err.startswith("otp-service: ")
    assert named in found.err
    assert len(found.err) < 600
    assert PASSWORD not in found.text
    assert SECRET not in found.text
    examined = commands.run(
        "doctor", environ={"TEST_REDIS": redis_url, **environ} if redis_url else environ, folder=folder
    )
    sentence = found.err.removeprefix("otp-service: ").strip()
    assert examined.code in (1, 2), examined
    assert sentence.splitlines()[0].removeprefix("redis: ") in examined.text, (sentence, examined)
    assert "Traceback" not in examined.text


@pytest.mark.parametrize(("variable", "value", "named"), BROKEN, ids=short)
def test_environment(
    commands: Commands, environ: dict[str, str], tmp_path: Path, variable: str, value: str, named: str
) -> None:
    refused(commands, environ | {variable: value}, tmp_path, named)


@pytest.mark.parametrize(("before", "after", "named"), FILES, ids=short)
def test_file(commands: Commands, environ: dict[str, str], tmp_path: Path, before: str, after: str, named: str) -> None:
    assert before in BASE
    (tmp_path / "otp-service.toml").write_text(BASE.replace(before, after, 1))
    refused(commands, environ, tmp_path, named)


def test_a_file_that_is_not_utf_8(commands: Commands, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "otp-service.toml").write_bytes(BASE.encode("utf-16"))
    refused(commands, environ, tmp_path, "otp-service.toml")


def test_a_file_that_may_not_be_read(commands: Commands, environ: dict[str, str], tmp_path: Path) -> None:
    """Root may read everything, so it is a folder."""
    (tmp_path / "folder.toml").mkdir()
    refused(commands, environ | {"OTP_CONFIG": str(tmp_path / "folder.toml")}, tmp_path, "OTP_CONFIG")


@pytest.mark.parametrize(
    "command", [["serve"], ["doctor"], ["keys", "list"], ["keys", "create", "--application", "web"]]
)
def test_every_command_refuses_alike(
    commands: Commands, environ: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    found = commands.run(*command, environ=environ | {"OTP__SERVICE__NOPE": "1"}, folder=tmp_path)
    assert (found.code, found.out) == (2, "")
    assert found.err == "otp-service: service: there is no key 'nope' here; docs/settings.md lists the keys\n"


def test_without_any_settings(commands: Commands, tmp_path: Path) -> None:
    found = commands.run("serve", environ={}, folder=tmp_path)
    assert found.code == 2
    assert found.err.startswith("otp-service: service: the key 'secret' is missing")
    assert not list(tmp_path.iterdir())
