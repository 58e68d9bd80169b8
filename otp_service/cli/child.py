"""One of several processes of `otp-service serve --workers`. Started by the supervisor, not by people.

    python -m otp_service.cli.child SOCKET READY SEAT FOLDER COUNT

SOCKET: descriptor of the listening socket. READY: descriptor that is written to when it serves. SEAT: its number among
its siblings. FOLDER: where all of them write their metrics, and how many connections they have. COUNT: how many they
are; they share the cores for hashing.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from otp_service.cli.printer import say
from otp_service.telemetry import multiprocess

PATIENCE_SECONDS = 2.0
"""How long jobs that are due are left to the first of the siblings: several that claim the same ones ask Redis more,
and each gets fewer at a time."""


def main(words: list[str]) -> int:
    listener, ready, seat = map(int, words[:3])
    multiprocess.join(Path(words[3]), seat)  # before any module makes a metric

    from msgspec.structs import replace

    from otp_service import settings
    from otp_service.cli.accepting import Shares
    from otp_service.cli.serve import configure_logs
    from otp_service.cli.server import serve_on
    from otp_service.errors import OtpError
    from otp_service.hash_pool import sharing_cores

    def announce(*_: object) -> None:
        os.write(ready, b"%d\n" % seat)
        os.close(ready)

    try:
        found = sharing_cores(settings.load(os.environ), int(words[4]))
        if seat:
            patience = max(PATIENCE_SECONDS, found.worker.patience_seconds)
            found = replace(found, worker=replace(found.worker, patience_seconds=patience))
        configure_logs(found)
        shares = Shares(Path(words[3]), seat, int(words[4]))
        serve_on(found, socket.socket(fileno=listener), announce, shares=shares)
    except OtpError as error:
        say(f"otp-service: {error}", error=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
