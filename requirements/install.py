"""Install locked requirements and show how far it is, since a first `make run` takes a minute.

    python requirements/install.py WHAT FILE...

WHAT is for people, as in "What the service needs". The lock files say how many packages there are.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
NEXT = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:) (?:\S*/)?([A-Za-z0-9][A-Za-z0-9._]*)")


def main(words: list[str]) -> int:
    what, files = words[0], words[1:]
    total = len({name for file in files for name in PINNED.findall(Path(file).read_text("utf-8"))})
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    command += ["--require-hashes", *(word for file in files for word in ("-r", file))]
    seen: set[str] = set()
    kept: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            kept.append(line)
            if line.startswith("Ignoring "):  # not for this platform
                total -= 1
            elif (found := NEXT.match(line)) and found[1] not in seen:
                seen.add(found[1])
                show(f"{what}: {len(seen)} of {total}, {found[1]}")
            elif line.startswith("Installing collected"):
                show(f"{what}: {total} fetched, unpacking them")
    if sys.stdout.isatty():
        print(flush=True)
    if pip.returncode:
        sys.stderr.writelines(kept[-30:])
    return pip.returncode


def show(text: str) -> None:
    """In one line of a terminal; in a log, a line for each."""
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="", flush=True)
    else:
        print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
