"""`otp-service worker`: runs due jobs alone, beside any number of `serve`; health and metrics on OTP_PORT."""

from __future__ import annotations

import argparse
import os

import structlog

from otp_service import settings
from otp_service.cli.serve import configure_logs, serve

log = structlog.get_logger()


def main(_: argparse.Namespace) -> int:
    found = settings.load(os.environ)
    configure_logs(found)
    serve(found, os.environ, lambda _, url: log.info("working", url=url), alone=True)
    return 0
