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

from otp_service.child_process import die_with_us
from otp_service.cli import development
from otp_service.cli.operator import actor
from otp_service.cli.printer import say
from otp_service.cli.serve import configure_logs, serve
from otp_service.domain.operators import Role
from otp_service.errors import SettingsError
from otp_service.operators.accounts import ENROL, Accounts
from otp_service.runtime import Runtime

SANDBOX_SECONDS = 10.0
FIRST_OPERATOR = "admin"


def main(_: argparse.Namespace) -> int:
    environ = dict(os.environ)
    found = development.load(environ)
    configure_logs(found)
    key = found.bootstrap_api_key.reveal() if found.bootstrap_api_key else ""
    sandbox = f"http://127.0.0.1:{development.sandbox_port(environ)}"

    async def announce(service: Runtime, url: str) -> None:
        url = url.replace("//0.0.0.0:", "//127.0.0.1:")  # in a container: where its port is published
        console = await _console(service, url) if found.console.enabled else ""
        say(_welcome(url, sandbox, key, service.settings.redis.url, console))

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
            "OTP__SERVICE__ENVIRONMENT": "development",  # also where a file leaves it open
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


async def _console(service: Runtime, url: str) -> str:
    """Where the console is. The first operator is made here; until they have enrolled, each start gives a new link."""
    stores = service.stores
    accounts = Accounts(stores.operators, stores.names, stores.subjects, stores.audit)
    known = {operator.name: operator for operator in await accounts.list()}
    if any(operator.enrolled_at for operator in known.values()):
        return f"{url}/console"
    if FIRST_OPERATOR in known:
        token = await accounts.reset(FIRST_OPERATOR, actor())
    else:
        token = await accounts.add(FIRST_OPERATOR, Role.ADMIN, actor())
    return f"{url}{ENROL}{token} (operator {FIRST_OPERATOR!r}: set a password)"


def _welcome(service: str, sandbox: str, key: str, redis: str, console: str) -> str:
    data = Path(redis.removeprefix("embedded:")).resolve() if redis.startswith("embedded:") else "in your Redis"
    return f"""
  otp-service is running. Nothing leaves this machine: the gateways are simulated.

    Everything     {service}/
    Sign-up demo   {sandbox}/demo
    Phone inbox    {sandbox}/
    Try the API    {service}/schema
    Console        {console or "is off"}
    Data           {data} (stays when you stop)

  Send a code (each paste takes another phone):

    curl -sS -w '\\n' {service}/v1/verifications \\
      -H 'Authorization: Bearer {key}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"to": "+7916'$(date +%M%S)'567"}}'

  Deliver a code that another system made (a hook, here that of Logto):

    curl -sS -w '\\n' {service}/v1/hooks/logto/web \\
      -H 'Authorization: Bearer {key}' \\
      -H 'Content-Type: application/json' \\
      -d '{{"to": "7916'$(date +%M%S)'678", "type": "SignIn", "payload": {{"code": "246810"}}}}'

  With the Twilio SDK (pip install twilio):

    python3 -c 'from twilio.rest import Client; c = Client("me", "{key}"); c.verify.base_url = "{service}/twilio"; \\
      print(c.verify.v2.services("web").verifications.create(to="+7916'$(date +%M%S)'789", channel="sms").status)'

  Ctrl-C ends everything.
"""
