"""`otp-service serve`: the service on OTP_HOST and OTP_PORT until it is told to stop."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from otp_service import settings
from otp_service.cli.listening import bind
from otp_service.settings import Settings
from otp_service.telemetry import logs

if TYPE_CHECKING:
    from otp_service.cli.server import OnReady

log = structlog.get_logger()


def main(arguments: argparse.Namespace) -> int:
    found = settings.load(os.environ)
    configure_logs(found)
    if arguments.workers > 1:
        from otp_service.cli.supervisor import supervise

        return supervise(found, os.environ, arguments.workers)
    serve(
        found,
        os.environ,
        lambda service, url: log.info("serving", url=url, applications=[*service.settings.applications]),
    )
    return 0


def configure_logs(found: Settings) -> None:
    logs.configure(
        readable=found.service.environment == "development",
        level=os.environ.get("OTP_LOG_LEVEL", "INFO"),
        credentials=found.credentials,
    )


def serve(found: Settings, environ: Mapping[str, str], on_ready: OnReady, *, alone: bool = False) -> None:
    """Run in this process until SIGINT or SIGTERM. alone: a worker and no API. Raises SettingsError."""
    from otp_service.cli.server import serve_on  # the parent of several processes needs none of it: half of its memory

    serve_on(found, bind(environ), on_ready, alone=alone)
