"""Which statements of the Lua scripts the quick tests reach: `make lua-coverage` prints those that none does.

A copy of the project is made in which the first of each row of statements writes its place into the log of Redis; the
tests run there, with the arguments of pytest that are given, and the logs of all workers tell. Only `redis.log` can do
that from every script: it is no write and touches no key. A line is counted as one statement, so the branches of an
`if` on one line are not told apart.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = Path("otp_service") / "storage" / "scripts"
BEGINS = re.compile(
    r"\s*(local|return|redis|if|for|while|repeat|[a-z_][\w.]*(\[[^=]*\])?(, *[a-z_]\w*)* *=[^=]|[a-z_][\w.]*\()"
)
BRANCHES = re.compile(r"\b(if|for|while|repeat|until|else|elseif|end|function|return|error)\b")
MARK = re.compile(r" # (?:<lua> )?lua-reached ([\w/]+):(\d+)$")
"""As a warning stands in the log: what else is written there may quote a script."""


def code(line: str) -> str:
    """Without its comment, and with empty texts."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", line.partition("--")[0])


def statements(text: str) -> dict[int, int]:
    """Numbers of the lines, from 1, that begin a statement; with each the one by whose mark it is known: the first of
    those that are done one after another, since nothing branches between them."""
    found: dict[int, int] = {}
    depth, first = 0, 0
    for number, line in enumerate(map(code, text.splitlines()), 1):
        branches = bool(BRANCHES.search(line))
        if not depth and BEGINS.match(line):
            first = first or number
            found[number] = first
        if branches:
            first = 0
        depth += sum(map(line.count, "({[")) - sum(map(line.count, ")}]"))
    return found


def marked(name: str, text: str) -> str:
    lines = text.splitlines()
    for number in set(statements(text).values()):
        lines[number - 1] = f"redis.log(redis.LOG_WARNING, 'lua-reached {name}:{number}') {lines[number - 1]}"
    return "\n".join(lines) + "\n"


def not_reached(logs: list[Path], scripts: Path) -> list[str]:
    reached = set()
    for log in logs:
        with log.open(encoding="utf-8", errors="replace") as lines:
            reached |= {found.groups() for line in lines if (found := MARK.search(line))}
    return [
        f"{name}.lua:{number}: {text.splitlines()[number - 1].strip()}"
        for path in sorted(scripts.rglob("*.lua"))
        for name, text in [(str(path.relative_to(scripts).with_suffix("")), path.read_text("utf-8"))]
        for number, mark in statements(text).items()
        if (name, str(mark)) not in reached
    ]


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy, logs = Path(folder) / "copy", Path(folder) / "logs"
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, files.split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
        originals = Path(folder) / "originals"
        shutil.copytree(copy / SCRIPTS, originals)
        for path in (copy / SCRIPTS).rglob("*.lua"):
            name = str(path.relative_to(copy / SCRIPTS).with_suffix(""))
            path.write_text(marked(name, path.read_text("utf-8")), "utf-8")
        # What the copy says of itself (headers and flags of scripts, costs) is not its own, nor what is asked here.
        left_out = [
            f"--ignore=tests/{each}"
            for each in ("house", "test_project.py", "test_costs.py", "storage/test_script_flags.py")
        ]
        command = [sys.executable, "-m", "pytest", "-q", f"--basetemp={logs}", *left_out, *arguments]
        # The copy first: the project may be installed in this environment from where it stands.
        ran = subprocess.run(command, cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, check=False)
        missed = not_reached([path for path in logs.rglob("*log*") if path.is_file()], originals)
    print("\n".join(missed) or "every statement was reached")
    print(f"{len(missed)} statements not reached; pytest ended with {ran.returncode}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
