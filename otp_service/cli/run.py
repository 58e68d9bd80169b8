"""`otp-service run`: service, sandbox and Valkey on this machine, with one Ctrl-C to end all of it."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from otp_service.children import die_with_us
from otp_service.cli import development
from otp_service.cli.serve import configure_logs, serve
from otp_service.errors import SettingsError
from otp_service.service import Service

SANDBOX_SECONDS = 10.0


def main(_: argparse.Namespace) -> int:
    environ = dict(os.environ)
    found = development.load(environ)
    configure_logs(found)
    key = found.bootstrap_api_key.reveal() if found.bootstrap_api_key else ""
    sandbox = f"http://127.0.0.1:{development.sandbox_port(environ)}"

    def announce(service: Service, url: str) -> None:
        url = url.replace("//0.0.0.0:", "//127.0.0.1:")  # in a container: where its port is published
        print(_welcome(url, sandbox, key, service.settings.redis.url), flush=True)

    with _sandbox(environ, found.service.public_url, key):
        serve(found, environ, announce)
    return 0


@contextmanager
def _sandbox(environ: Mapping[str, str], service_url: str, api_key: str) -> Iterator[None]:
    """The simulated gateways as a process of their own: they talk to the service over HTTP only, as real ones do."""
    port = development.sandbox_port(environ)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"OTP_SANDBOX_PORT: port {port} is taken. Choose another, for example 8081")
    child = subprocess.Popen(
        [sys.executable, "-m", "otp_service", "sandbox"],
        env={
            **environ,
            "OTP_HOST": environ.get("OTP_SANDBOX_HOST", "127.0.0.1"),  # not OTP_HOST: it shows codes to whoever asks
            "OTP_SANDBOX_SERVICE_URL": service_url,
            "OTP_SANDBOX_API_KEY": api_key,
        },
        start_new_session=True,  # Ctrl-C reaches us alone; we end it after the last request
        preexec_fn=die_with_us(),
    )
    try:
        _wait_for(child, port)
        yield
    finally:
        child.terminate()
        child.wait(SANDBOX_SECONDS)


def _wait_for(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + SANDBOX_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SettingsError("the sandbox did not start; its output above says why")


def _welcome(service: str, sandbox: str, key: str, redis: str) -> str:
    data = Path(redis.removeprefix("embedded:")).resolve() if redis.startswith("embedded:") else "in your Redis"
    return f"""
  otp-service is running. Nothing leaves this machine: the gateways are simulated.

    Sign-up demo   {sandbox}/demo
    Phone inbox    {sandbox}/
    Try the API    {service}/schema
    Data           {data} (stays when you stop)

  Send a code:

    curl -s {service}/v1/verifications \\
      -H 'Authorization: Bearer {key}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"to": "+79161234567"}}'

  Ctrl-C ends everything.
"""
