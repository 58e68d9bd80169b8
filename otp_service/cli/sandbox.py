"""`otp-service sandbox`: the simulated gateways alone."""

from __future__ import annotations

import argparse
import os

from otp_service.cli.development import mail_port, sandbox_port
from otp_service.errors import SettingsError
from otp_service.sandbox.server import serve
from otp_service.settings import environment_named
from otp_service.telemetry import logs


def main(_: argparse.Namespace) -> int:
    if environment_named(os.environ) == "production":
        raise SettingsError("the sandbox does not start beside settings for production (service.environment)")
    logs.configure(readable=True, level=os.environ.get("OTP_LOG_LEVEL", "INFO"))
    serve(os.environ.get("OTP_HOST", "127.0.0.1"), sandbox_port(os.environ), mail_port(os.environ))
    return 0
