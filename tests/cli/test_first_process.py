"""C-13: as the first process of a container the service buries orphans, hands signals on and ends as its work does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otp_service.child_process import die_with_us
from tests.running import free_port, service_environ, wait_for

FIRST = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
ABLE = sys.platform == "linux" and not subprocess.run([*FIRST, "true"], capture_output=True, check=False).returncode
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ABLE, reason="no PID namespace of its own: needs root, and unshare of util-linux"),
]

ORPHANS = """
import os, sys, time
from otp_service.cli.first_process import leave_work_to_a_child
assert os.getpid() == 1
leave_work_to_a_child()
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.2)  # by then its parent is gone, and the first process has it
        os._exit(0)
    os.wait()
time.sleep(0.6)
numbers = [name for name in os.listdir("/proc") if name.isdigit()]
print(sorted(open(f"/proc/{number}/stat").read().rpartition(")")[2].split()[0] for number in numbers), flush=True)
sys.exit(7)
"""


def test_c13_orphans_are_buried() -> None:
    done = subprocess.run(
        [*FIRST, sys.executable, "-c", ORPHANS], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "['R', 'S']\n", "")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_c13_a_stop_reaches_the_work_and_its_end_is_ours(tmp_path: Path, redis_url: str, workers: str) -> None:
    environ = service_environ(tmp_path, redis_url, "http://127.0.0.1:9")
    log = tmp_path / "service.log"
    with log.open("wb") as output:
        first = subprocess.Popen(
            [*FIRST, sys.executable, "-m", "otp_service", "serve", "--workers", workers],
            env={"PATH": "/usr/bin:/bin", **environ},
            stdout=output,
            stderr=output,
            preexec_fn=die_with_us(),
        )
    try:
        wait_for(f"http://127.0.0.1:{environ['OTP_PORT']}/health/live", first, log)
        time.sleep(0.2)
        inside = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()[0]
        began = time.monotonic()
        subprocess.run(["kill", "-TERM", inside], check=True)
        assert first.wait(20) == 0, log.read_text()
        assert time.monotonic() - began < 10
        assert '"stopped"' in log.read_text()
    finally:
        first.kill()
        first.wait()


def test_c13_what_a_signal_ends_says_so() -> None:
    code = "from otp_service.cli import first_process as f; f.leave_work_to_a_child(); print('up', flush=True)"
    code += "; import time; time.sleep(30)"
    with subprocess.Popen([*FIRST, sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "up\n"
        inside = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()[0]
        subprocess.run(["kill", "-TERM", inside], check=True)
        assert first.wait(10) == 128 + signal.SIGTERM


def test_c13_settings_that_are_wrong_end_it_with_2(tmp_path: Path) -> None:
    words = [*FIRST, sys.executable, "-m", "otp_service", "serve"]
    environ = {"PATH": "/usr/bin:/bin", "OTP_CONFIG": str(tmp_path / "none.toml"), "OTP_PORT": str(free_port())}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr[:12]) == (2, "otp-service:")
