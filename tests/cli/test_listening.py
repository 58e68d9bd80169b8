"""P-14: where the service listens: brackets around IPv6, and a file instead of a port."""

from __future__ import annotations

import socket
import stat
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from otp_service.cli.listening import bind, listen, url_of
from otp_service.errors import SettingsError
from tests.running import create_key, free_port, process, service_environ, wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6_with_brackets_and_without(host: str) -> None:
    port = free_port()
    with closing(bind({"OTP_HOST": host, "OTP_PORT": str(port)})) as listener:
        assert url_of(listener) == f"http://[::1]:{port}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "otp.sock"


def test_a_file_that_owner_and_group_may_open(path: Path) -> None:
    environ = {"OTP_HOST": f"unix:{path}"}
    with closing(bind(environ)) as listener:
        assert url_of(listener) == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(SettingsError, match=r"OTP_HOST: cannot listen on .*: Address already in use"):
            bind(environ)  # also while the first is still starting
    with closing(bind(environ)):  # what an earlier process left is in nobody's way
        pass
    path.unlink()
    path.write_text("mine")
    with pytest.raises(SettingsError, match="OTP_HOST"):
        bind(environ)
    assert path.read_text() == "mine"
    with pytest.raises(SettingsError, match="OTP_HOST: cannot listen on"):
        bind({"OTP_HOST": f"unix:{path.parent}/none/otp.sock"})
    with pytest.raises(SettingsError, match="OTP_HOST: cannot listen on"):
        bind({"OTP_HOST": f"unix:{path.parent}/{'x' * 200}"})


def test_the_file_of_one_that_hangs_is_its_own(path: Path) -> None:
    """Its queue is full, so that a question whether somebody listens is answered neither by yes nor by no."""
    environ = {"OTP_HOST": f"unix:{path}"}
    with closing(bind(environ)) as listener, ExitStack() as stack:
        listener.listen(0)
        full = False
        while not full:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.setblocking(False)
            full = peer.connect_ex(str(path)) != 0
        with pytest.raises(SettingsError, match=r"OTP_HOST: cannot listen on .*: Address already in use"):
            bind(environ)


def test_of_two_that_start_together_on_one_port_the_second_says_so() -> None:
    environ = {"OTP_PORT": str(free_port())}
    with closing(bind(environ)) as first, closing(bind(environ)) as second:
        listen(first, 16)
        with pytest.raises(SettingsError, match=r"OTP_PORT: cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
            listen(second, 16)


@pytest.mark.parametrize("host", ["127.0.0.1", "unix"])
@pytest.mark.parametrize("words", [["serve"], ["serve", "--workers", "2"]])
def test_of_two_starts_at_once_one_serves(
    words: list[str], host: str, tmp_path: Path, path: Path, redis_url: str, sandbox_process: str
) -> None:
    """And goes on serving when the other has said that the place is taken."""
    where = f"unix:{path}" if host == "unix" else host
    environ = service_environ(tmp_path, redis_url, sandbox_process, OTP_HOST=where)
    logs = [tmp_path / "first", tmp_path / "second"]
    deadline = time.monotonic() + 60
    with ExitStack() as stack:
        children = [stack.enter_context(process(["otp_service", *words], environ, log)) for log in logs]
        while all(child.poll() is None for child in children):
            assert time.monotonic() < deadline, [log.read_text() for log in logs]
            time.sleep(0.05)
        ended = [child.poll() is not None for child in children].index(True)
        assert children[ended].poll() == 2
        assert "cannot listen on" in logs[ended].read_text()
        assert "Traceback" not in logs[ended].read_text()
        transport = httpx.HTTPTransport(uds=str(path) if host == "unix" else None)
        url = "http://otp" if host == "unix" else f"http://127.0.0.1:{environ['OTP_PORT']}"
        with httpx.Client(transport=transport, base_url=url, trust_env=False, timeout=60) as http:
            assert http.get("/health/ready").status_code == 200


@pytest.mark.parametrize("words", [["serve"], ["serve", "--workers", "2"]])
def test_it_serves_there(words: list[str], tmp_path: Path, path: Path, redis_url: str, sandbox_process: str) -> None:
    environ = service_environ(tmp_path, redis_url, sandbox_process, OTP_HOST=f"unix:{path}")
    with process(["otp_service", *words], environ, tmp_path / "log") as child:
        while not listens(path):
            assert child.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://otp", trust_env=False, timeout=20) as http:
            assert http.get("/health/ready").status_code == 200
            assert http.get("/v1/gateways").status_code == 401
            bound = create_key(tmp_path, redis_url, sandbox_process, "web", "--network", "203.0.113.0/24")
            for address, wanted in (("203.0.113.7", 200), ("198.51.100.7", 403)):  # as the proxy heard from
                headers = {"Authorization": f"Bearer {bound}", "X-Forwarded-For": f"203.0.113.9, {address}"}
                assert http.get("/v1/gateways", headers=headers).status_code == wanted
    assert not listens(path)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_p14_a_deleted_data_folder_is_noticed(tmp_path: Path, sandbox_process: str) -> None:
    """The embedded server goes on in memory; readiness and log say that it would forget everything."""
    environ = service_environ(tmp_path, f"embedded:{tmp_path}/data", sandbox_process)
    log, url = tmp_path / "log", f"http://127.0.0.1:{environ['OTP_PORT']}"
    with process(["otp_service", "serve"], environ, log) as child:
        wait_for(f"{url}/health/ready", child, log)
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        answer = httpx.get(f"{url}/health/ready", trust_env=False)
        assert (answer.status_code, answer.json()["storage"]) == (503, "unavailable")
        assert "is gone" in log.read_text()
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        assert httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
