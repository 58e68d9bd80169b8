"""`python -m otp_service.sandbox --host 127.0.0.1 --port 8001`"""

from __future__ import annotations

import argparse
import os

from otp_service.errors import SettingsError
from otp_service.sandbox.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m otp_service.sandbox", description="A simulator of SMS gateways.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("OTP_SANDBOX_PORT", "8001")))
    parser.add_argument("--mail-port", type=int, default=int(os.environ.get("OTP_SANDBOX_MAIL_PORT", "0")))
    arguments = parser.parse_args()
    try:
        serve(arguments.host, arguments.port, arguments.mail_port)
    except SettingsError as error:
        raise SystemExit(str(error)) from error


main()
