"""The command `otp-service`: one module for each subcommand. Exit codes: 0 done, 1 a check failed, 2 cannot work."""

from __future__ import annotations

import argparse
import os
from collections.abc import Coroutine, Sequence

from otp_service import __version__
from otp_service.cli.accounts.parsers import add_families
from otp_service.cli.administration import add_administration
from otp_service.cli.first_process import leave_work_to_a_child
from otp_service.cli.printer import say
from otp_service.errors import OtpError
from otp_service.telemetry import logs

MOST_PROCESSES = 64


def parser() -> argparse.ArgumentParser:
    """All commands and their options; docs/cli.md describes them."""
    parser = argparse.ArgumentParser(prog="otp-service", description="One-time passwords by SMS, self-hosted.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="everything on this machine, for development: service, sandbox, Valkey")
    run.set_defaults(module="run")
    serve = commands.add_parser("serve", help="the service, as the settings say")
    serve.add_argument("--workers", type=_count, default=1, help="how many processes share the port (default: 1)")
    serve.set_defaults(module="serve")
    worker = commands.add_parser(
        "worker", help="background jobs only, beside `serve`: delivery tracking, fail-over, webhooks"
    )
    worker.set_defaults(module="worker")
    sandbox = commands.add_parser("sandbox", help="the simulated gateways with a phone inbox (OTP_SANDBOX_PORT, 8001)")
    sandbox.set_defaults(module="sandbox")
    doctor = commands.add_parser("doctor", help="check settings, Redis and gateways without sending an SMS")
    doctor.set_defaults(module="doctor")

    add_administration(commands)
    verifications = commands.add_parser("verifications", help="the history of a person's codes, for support")
    verifications.set_defaults(module="verifications")
    show = verifications.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "show", help="show the history of one phone or of one verification"
    )
    show.add_argument("--application", required=True, help="an application of the settings")
    whose = show.add_mutually_exclusive_group(required=True)
    whose.add_argument("--phone", default="", help="with country code, for example +79161234567")
    whose.add_argument("--id", default="", help="id of the verification")

    factors = commands.add_parser("factors", help="import TOTP secrets; unlock a person's second factors")
    factors.set_defaults(module="factors")
    of_factors = factors.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = of_factors.add_parser("import", help="import authenticators that another system enrolled")
    importing.add_argument("--application", required=True, help="an application of the settings, whose people they are")
    importing.add_argument(
        "file", help="CSV with a header line, otpauth URIs, or the export of an app (docs/factors.md); `-` reads stdin"
    )
    importing.add_argument(
        "--encoding", choices=["utf-8", "cp1251"], default="utf-8", help="encoding of the file (default: utf-8)"
    )
    unlocking = of_factors.add_parser("unlock", help="reset the counts of wrong codes of all factors of a person")
    unlocking.add_argument("--application", required=True, help="an application of the settings, whose person it is")
    unlocking.add_argument("--subject", required=True, help="the id that the application knows the person by")

    gateways = commands.add_parser("gateways", help="try one gateway of the settings")
    gateways.set_defaults(module="gateways")
    trying = gateways.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "try", help="send one real message and show what was sent, what came back and how it was read"
    )
    trying.add_argument("name", help="name of the gateway in the settings")
    trying.add_argument("--to", required=True, help="with country code, for example +79161234567")
    trying.add_argument("--text", default="", help="the text to send (default: that of the first application)")
    trying.add_argument(
        "--wait",
        type=_seconds,
        default=0,
        help="for how many seconds to ask for the delivery state afterwards (default: 0)",
    )
    trying.add_argument("--dry-run", action="store_true", help="show the request; send nothing")
    trying.add_argument("--yes", action="store_true", help="do not ask for confirmation; sending costs money")

    rotate = commands.add_parser("rotate-secrets", help="encrypt stored data anew with the current root secret")
    rotate.set_defaults(module="rotate_secrets")

    webhooks = commands.add_parser("webhooks", help="webhook endpoints: state, test event, replay")
    webhooks.set_defaults(module="webhooks")
    actions = webhooks.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="each endpoint with its state, backlog, and last success and failure")
    listing.add_argument("--json", action="store_true", help="print JSON, for scripts")
    test = actions.add_parser("test", help="send a webhook.test event now and show the answer")
    test.add_argument("endpoint", help="as shown by `webhooks list`")
    replay = actions.add_parser(
        "replay", help="enable an endpoint and send it events from a given point, or from where it stopped"
    )
    replay.add_argument("endpoint", help="as shown by `webhooks list`")
    what = replay.add_mutually_exclusive_group()
    what.add_argument("--from", dest="start", metavar="EVENT_OR_TIME", help="from this event, or this time on")
    what.add_argument("--parked", action="store_true", help="only the events that it refused")

    add_families(commands)
    return parser


def _seconds(text: str) -> int:
    if not text.isdigit() or int(text) > 600:
        raise argparse.ArgumentTypeError(f"must be 0 to 600 seconds, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_PROCESSES}, not {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    if os.getpid() == 1:
        leave_work_to_a_child()
    arguments = parser().parse_args(argv)
    logs.configure(readable=True, level="CRITICAL")  # for commands that speak by themselves; others say otherwise
    # Imported when asked for, so that --help and `sandbox` do not load the whole service.
    from asyncio import run
    from importlib import import_module

    try:
        done: int | Coroutine[None, None, int] = import_module(f"otp_service.cli.{arguments.module}").main(arguments)
        return done if isinstance(done, int) else run(done)
    except OtpError as error:
        say(f"otp-service: {error}", error=True)
        return 2
    except KeyboardInterrupt:
        return 130
