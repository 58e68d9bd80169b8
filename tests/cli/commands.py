"""`otp-service …` as processes of their own, many of them: one helper process has imported everything and forks each.

A command costs about 20 ms that way, not the second that imports take; exit code and both outputs are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Result:
    """`code` is -9 for a command that did not end in time."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Commands:
    """The helper process; use it from one thread."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.commands"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, *arguments: str, environ: Mapping[str, str], folder: Path, seconds: float = 20) -> Result:
        """Run one command with exactly these OTP_… variables in `folder`."""
        asked = {"arguments": arguments, "environ": clean(environ), "folder": str(folder), "seconds": seconds}
        assert self._helper.stdin
        assert self._helper.stdout
        self._helper.stdin.write(json.dumps(asked).encode() + b"\n")
        self._helper.stdin.flush()
        return Result(**json.loads(self._helper.stdout.readline()))

    def close(self) -> None:
        assert self._helper.stdin
        assert self._helper.stdout
        self._helper.stdin.close()
        self._helper.wait(20)
        self._helper.stdout.close()


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ours without settings of our own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTP_", "TEST_"))}
    return kept | dict(environ)


def _fork(arguments: list[str], environ: dict[str, str], folder: str, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _be_the_command(arguments, environ, folder, out.fileno(), err.fileno())
        deadline = time.monotonic() + seconds
        code = -9
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() > deadline:
                os.kill(child, 9)
                os.waitpid(child, 0)
                break
            time.sleep(0.002)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
        return {"code": code, "out": texts[0], "err": texts[1]}


def _be_the_command(arguments: list[str], environ: dict[str, str], folder: str, out: int, err: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["otp-service", *arguments]
    code: Any = 1
    try:
        from otp_service.cli import main

        code = main(arguments)
    except SystemExit as ending:
        code = ending.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    import otp_service.cli.doctor
    import otp_service.cli.keys
    import otp_service.cli.phones
    import otp_service.cli.run
    import otp_service.cli.sandbox
    import otp_service.cli.serve
    import otp_service.cli.server
    import otp_service.cli.webhooks  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_fork(**json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
