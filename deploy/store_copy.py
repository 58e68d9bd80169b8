#!/usr/bin/env python3
"""Copies the embedded store while it runs, and brings a copy back. Needs nothing but Python 3.11.4.

    store_copy.py backup  /var/lib/otp-service/data  /backup/otp-2026-01-31.tar
    store_copy.py restore /backup/otp-2026-01-31.tar /var/lib/otp-service/data

A copy has what was answered until the moment it was made, but for the last second. It is worth nothing without the root
secret: keep that elsewhere. `restore` wants the service stopped and a folder without data; run it as the service's
user.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tarfile
import time
from pathlib import Path

FOLDER = "appendonlydir"
REWRITE_SECONDS = 600  # a rewrite of the append-only file that takes longer is given up on


def backup(data: Path, copy: Path) -> None:
    """Raises OSError, RuntimeError. Between two rewrites the files of the store only grow, so what is read is whole."""
    if not (data / FOLDER).is_dir():
        raise RuntimeError(f"{data} holds no {FOLDER}/: not the folder of an embedded store")
    store = _connect(data.resolve() / "store.sock") if _runs(data) else None
    share = _told(store, "CONFIG GET auto-aof-rewrite-percentage").split()[-1] if store else ""
    draft = copy.with_name(f".{copy.name}.draft")
    try:
        if store:
            _told(store, "CONFIG SET auto-aof-rewrite-percentage 0")
            _wait_for_rewrite(store)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as packed:
                packed.add(data / FOLDER, FOLDER)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(copy)
    finally:
        draft.unlink(missing_ok=True)
        if store:
            _told(store, f"CONFIG SET auto-aof-rewrite-percentage {share}")
            store.close()


def restore(copy: Path, data: Path) -> None:
    """Raises OSError, RuntimeError, tarfile.TarError."""
    if (data / FOLDER).exists():
        raise RuntimeError(f"{data / FOLDER} is there: move it away first")
    if _runs(data):
        raise RuntimeError(f"a store runs in {data}: stop the service first")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tarfile.open(copy) as packed:
        members = packed.getmembers()
        if not any(one.name.endswith(".manifest") for one in members):
            raise RuntimeError(f"{copy} is no copy of a store")
        for one in members:
            if one.name.split("/")[0] != FOLDER or ".." in one.name or not (one.isfile() or one.isdir()):
                raise RuntimeError(f"{copy} holds {one.name}, which is not of a store")
            one.mode = 0o700 if one.isdir() else 0o600
        packed.extractall(data, members, filter="data")


def _runs(data: Path) -> bool:
    """Whether a store works in the folder: it holds this lock as long as it lives. If none does, no file changes."""
    try:
        with (data / "server.lock").open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _connect(path: Path) -> socket.socket:
    """Raises RuntimeError where the store that runs is out of reach: while it writes, a copy would not be whole."""
    store = socket.socket(socket.AF_UNIX)
    store.settimeout(30)
    try:
        store.connect(str(path))
    except OSError as error:
        store.close()
        raise RuntimeError(
            f"a store runs in {path.parent}, and {path} cannot be opened ({error}). The socket is elsewhere where that "
            "path has over 100 bytes: give the data a shorter one, or stop the service before the copy"
        ) from None
    return store


def _told(store: socket.socket, command: str) -> str:
    """The answer as it comes; each is far below 64 KiB, and PING's marks its end."""
    store.sendall(f"{command}\r\nPING\r\n".encode())
    answer = b""
    while not answer.endswith(b"+PONG\r\n"):
        piece = store.recv(65536)
        if not piece:
            raise RuntimeError("the store has closed the connection")
        answer += piece
    if answer.startswith(b"-"):
        raise RuntimeError(answer.decode(errors="replace"))
    return answer.removesuffix(b"+PONG\r\n").decode()


def _wait_for_rewrite(store: socket.socket) -> None:
    until = time.monotonic() + REWRITE_SECONDS
    while True:
        state = _told(store, "INFO persistence")
        if "aof_rewrite_in_progress:0" in state and "aof_rewrite_scheduled:0" in state:
            return
        if time.monotonic() > until:
            raise RuntimeError("the store still rewrites its file")
        time.sleep(0.2)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["backup", data, copy]:
            todo = backup, Path(data), Path(copy)
        case ["restore", copy, data]:
            todo = restore, Path(copy), Path(data)
        case _:
            sys.exit(__doc__)
    try:
        todo[0](*todo[1:])
    except (OSError, RuntimeError, tarfile.TarError) as error:
        sys.exit(f"store_copy: {error}")
