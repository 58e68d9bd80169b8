"""The samples in deploy/ are what they seem: each is read by the program it is for, and the restore is rehearsed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
import yaml

from otp_service import settings
from tests import authenticator
from tests.api import Api, Gateways
from tests.deploy.charts import CHART, ROOT
from tests.running import API_KEY, create_key, free_port, running_service

SAMPLES = ROOT / "deploy"
COPY = SAMPLES / "store_copy.py"
pytestmark = pytest.mark.slow


def told(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def variables(lines: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for line in lines for word in line.split())


def test_the_settings_are_taken_with_what_units_and_compose_lay_over_them(tmp_path: Path) -> None:
    for name in ("root-secret", "targetsms-login", "targetsms-password"):
        (tmp_path / name).write_text(name + "-" + "x" * 32 + "\n")
    compose = yaml.safe_load((SAMPLES / "compose.yaml").read_text("utf-8"))
    service = compose["services"]["otp-service"]
    assert set(service["secrets"]) == set(compose["secrets"])
    unit = (SAMPLES / "systemd" / "otp-service.service").read_text("utf-8")
    worker = (SAMPLES / "systemd" / "otp-service-worker.service").read_text("utf-8")
    for environ in (
        variables(re.findall("^Environment=(.*)$", unit, re.MULTILINE)),
        variables(re.findall("^Environment=(.*)$", worker, re.MULTILINE)),
        dict(service["environment"]),
    ):
        environ = {name: re.sub("%d|/run/secrets", str(tmp_path), value) for name, value in environ.items()}
        found = settings.load(environ | {"OTP_CONFIG": str(SAMPLES / "otp-service.toml")})
        assert found.gateways["targetsms"]["login"] == "targetsms-login-" + "x" * 32
        assert found.service.secret.reveal() == ("root-secret-" + "x" * 32,)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (Debian: systemd)")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = []
    for unit in (SAMPLES / "systemd").iterdir():
        units.append(tmp_path / unit.name)
        units[-1].write_text(
            re.sub("^ExecStart=[^ ]*", "ExecStart=/bin/true", unit.read_text("utf-8"), flags=re.MULTILINE)
        )
    assert told("systemd-analyze", "verify", "--man=no", *units) == ""
    units[0].write_text(units[0].read_text() + "\n[Service]\nLimitNOFILES=1\n")
    assert "LimitNOFILES" in told("systemd-analyze", "verify", "--man=no", *units), "it would notice"


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed (Debian: nginx-light)")
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_nginx_takes_its_sample(tmp_path: Path) -> None:
    key, pem = tmp_path / "key", tmp_path / "pem"
    told(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=otp.test", "-keyout", key, "-out", pem
    )
    site = (SAMPLES / "nginx.conf").read_text("utf-8").replace("listen 443", f"listen 127.0.0.1:{free_port()}")
    site = site.replace("/etc/ssl/otp.example.ru.pem", str(pem)).replace(
        "/etc/ssl/private/otp.example.ru.key", str(key)
    )
    (tmp_path / "site.conf").write_text(site)
    main = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; include {tmp_path}/site.conf; }}"
    (tmp_path / "nginx.conf").write_text(main)
    assert "successful" in told("nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")


def compose() -> list[str]:
    """What reads compose files here; nothing where nothing does."""
    for words in (["docker", "compose"], ["docker-compose"], ["podman-compose"]):
        if shutil.which(words[0]) and not subprocess.run([*words, "version"], capture_output=True).returncode:
            return words
    return []


COMPOSE = compose()


@pytest.mark.skipif(
    not COMPOSE, reason="none of docker compose, docker-compose, podman-compose (Debian: docker-compose)"
)
def test_compose_takes_its_sample(tmp_path: Path) -> None:
    assert "otp-service" in told(*COMPOSE, "--file", SAMPLES / "compose.yaml", "config")
    spoilt = (SAMPLES / "compose.yaml").read_text("utf-8").replace("read_only:", "readonly:")
    (tmp_path / "compose.yaml").write_text(spoilt)
    done = subprocess.run([*COMPOSE, "--file", tmp_path / "compose.yaml", "config"], capture_output=True)
    assert done.returncode or COMPOSE == ["podman-compose"], "it would notice"


@pytest.mark.skipif(not shutil.which("caddy"), reason="caddy is not installed (Debian: caddy)")
def test_caddy_takes_its_sample() -> None:
    told("caddy", "validate", "--adapter", "caddyfile", "--config", SAMPLES / "Caddyfile")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_its_sample(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "prometheus.yml", tmp_path)
    shutil.copy(CHART / "files" / "alerts.yaml", tmp_path)
    told("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert 'job="otp-certificates"' in (tmp_path / "alerts.yaml").read_text()


def test_a_store_that_is_out_of_reach_is_not_copied(tmp_path: Path) -> None:
    """Where the folder's path is long, or only its relative one is short, the socket is elsewhere; and a copy of files
    that a store writes, or a restore below it, would not be whole."""
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    with running_service(tmp_path, f"embedded:{deep}", "http://127.0.0.1:9"):
        for words in (["backup", deep, "copy.tar"], ["backup", Path(deep.name), tmp_path / "copy.tar"]):
            done = subprocess.run([sys.executable, COPY, *words], cwd=deep.parent, capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (1, "")
            assert "a store runs in" in done.stderr
            assert "give the data a shorter one, or stop the service before the copy" in done.stderr
        (deep / "appendonlydir").rename(tmp_path / "away")
        with tarfile.open(tmp_path / "copy.tar", "w") as packed:
            packed.add(tmp_path / "away", "appendonlydir")
        refused = subprocess.run(
            [sys.executable, COPY, "restore", tmp_path / "copy.tar", deep], capture_output=True, text=True
        )
        assert (refused.returncode, refused.stderr) == (
            1,
            f"store_copy: a store runs in {deep}: stop the service first\n",
        )
        (tmp_path / "away").rename(deep / "appendonlydir")
    told(sys.executable, COPY, "backup", deep, tmp_path / "copy.tar")


async def test_a_restore_brings_back_factors_keys_and_codes(tmp_path: Path, sandbox_process: str) -> None:
    """Copied while it runs, killed, all data deleted: what was promised before the copy holds after the restore."""
    data, copy = tmp_path / "data", tmp_path / "copy.tar"
    redis = f"embedded:{data}"
    with running_service(tmp_path, redis, sandbox_process) as (url, child, _):
        async with Api(url, API_KEY) as api:
            factor, app, step = await authenticator.confirmed(api, "person-1")
            codes = (await api.post("/v1/factors/backup-codes", {"subject": "person-1"})).json()["codes"]
            assert (await authenticator.asked(api, "person-1", codes[0]))["approved"]
            under_way, done = [await api.started(phone) for phone in ("+79161112233", "+79161112244")]
            async with httpx.AsyncClient(base_url=sandbox_process, trust_env=False) as http:
                sent = [(await Gateways(http).codes(phone))[0] for phone in ("+79161112233", "+79161112244")]
            assert await api.outcome(done["id"], sent[1]) == "approved"
            wrong = str((int(sent[0]) + 1) % 10 ** len(sent[0])).zfill(len(sent[0]))
            assert await api.outcome(under_way["id"], wrong) == "wrong_code"
            left = (await api.status(under_way["id"])).json()["attempts_left"]
            key = create_key(tmp_path, redis, sandbox_process, "web")
            told(sys.executable, COPY, "backup", data, copy)
            assert copy.stat().st_mode & 0o777 == 0o600
            await authenticator.confirmed(api, "person-2")
        child.kill()
        child.wait()
    shutil.rmtree(data)
    told(sys.executable, COPY, "restore", copy, data)
    again = subprocess.run([sys.executable, COPY, "restore", copy, data], capture_output=True, text=True)
    assert again.returncode == 1
    assert "move it away" in again.stderr
    with running_service(tmp_path, redis, sandbox_process) as (url, _, _):
        async with Api(url, key) as api:
            assert await api.outcome(done["id"], sent[1]) == "already_approved"
            status = (await api.status(under_way["id"])).json()
            assert (status["status"], status["attempts_left"]) == ("pending", left)
            assert await api.outcome(under_way["id"], sent[0]) == "approved"
        async with Api(url, API_KEY) as api:
            assert not (await authenticator.asked(api, "person-1", app.at(step - 1)))["approved"], (
                "used before the copy"
            )
            assert not (await authenticator.asked(api, "person-1", codes[0]))["approved"], "used before the copy"
            now = await authenticator.step_with_room()  # on a busy machine another than that of the copy
            assert (await authenticator.asked(api, "person-1", app.at(now)))["approved"]
            assert (await authenticator.asked(api, "person-1", codes[1]))["approved"]
            found = (await api.http.get("/v1/subjects/person-1")).json()
            assert [one["id"] for one in found["totp"]] == [factor]


def test_a_copy_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.manifest").write_text("")
    with tarfile.open(tmp_path / "copy.tar", "w") as packed:
        packed.add(tmp_path / "x.manifest", "appendonlydir/../../x.manifest")
    words = [sys.executable, COPY, "restore", tmp_path / "copy.tar", tmp_path / "data"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert "which is not of a store" in done.stderr
