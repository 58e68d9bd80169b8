"""Building and running the image without a daemon and without a registry: buildah and podman, as root.

Where the base image cannot be pulled, a Debian root made by debootstrap stands in for it: same release, its Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "image"
BASE = "python:3.12-slim-bookworm"
STAND_IN = "localhost/otp-base:test"
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
STORAGE = FOLDER / "storage"
_STORAGE = ["--root", str(STORAGE), "--runroot", str(STORAGE / "run"), "--storage-driver"]
_LEAST = ["--cap-drop", "all", "--security-opt", "no-new-privileges", "--read-only", "--no-healthcheck"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]


def unable() -> str:
    """Why this machine cannot; empty if it can."""
    missing = [tool for tool in ("buildah", "podman", "runc", "debootstrap") if not shutil.which(tool)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.getuid() == 0 else "needs root, without user namespaces"


@cache
def _storage() -> list[str]:
    """Options that name the place of images. vfs works on every file system and copies everything each time."""
    tried = subprocess.run(["podman", *_STORAGE, "overlay", "images"], capture_output=True, timeout=60)
    return [*_STORAGE, "vfs" if tried.returncode else "overlay"]


def remove_all() -> None:
    """Images and containers of these tests; the base's archive stays for the next time."""
    subprocess.run(["podman", *_storage(), "rmi", "--all", "--force"], capture_output=True, timeout=120)
    shutil.rmtree(STORAGE, ignore_errors=True)


def run(*words: str | Path, seconds: float = 300) -> str:
    """Standard output of a program, which must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def podman(*words: str, seconds: float = 60) -> str:
    return run("podman", *_storage(), "--runtime", "runc", "--cgroup-manager", "cgroupfs", *words, seconds=seconds)


def base() -> str:
    """The name of an image that FROM can use: the real one where it can be had, else a Debian root in its place."""
    pulled = subprocess.run(["podman", *_storage(), "pull", "--quiet", BASE], capture_output=True, timeout=300)
    if pulled.returncode == 0:
        return BASE
    archive = FOLDER / "base.tar"
    if not archive.exists():
        root = FOLDER / "root"
        shutil.rmtree(root, ignore_errors=True)
        words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        made = subprocess.run(words, capture_output=True, text=True, timeout=600)
        if made.returncode:
            pytest.skip(f"no base image: neither {BASE} nor packages of Debian can be had: {made.stdout[-200:]}")
        for place in (
            "lib/python3.11/dist-packages/pip",
            "lib/python3.11/ensurepip/_bundled",
            "bin",
        ):  # as the real base
            (root / "usr/local" / place).mkdir(parents=True, exist_ok=True)
            (root / "usr/local" / place / "pip3.11").write_text("")
        run("tar", "-C", root, "-cf", archive.with_suffix(".part"), ".")
        archive.with_suffix(".part").rename(archive)
        shutil.rmtree(root)
    run("podman", *_storage(), "import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", str(archive), STAND_IN)
    return STAND_IN


def build(tag: str, base_image: str) -> None:
    """`docker build`, with the certificates of this machine lent to the build alone: it may stand behind a proxy."""
    pip = FOLDER / "pip.conf"
    pip.write_text(f"[global]\ncert = {CERTIFICATES}\n")
    lent = [f"{CERTIFICATES}:{CERTIFICATES}:ro", f"{pip}:/etc/pip.conf:ro"] if CERTIFICATES.exists() else []
    run(
        "buildah", *_storage(), "bud", "--isolation", "chroot", "--pull-never", "--network", "host",
        "--format", "docker", "--timestamp", "315532800", "--build-arg", f"PYTHON_IMAGE={base_image}",
        *(f"--volume={one}" for one in lent), "--tag", tag, str(ROOT),
        seconds=600,
    )  # fmt: skip


@contextmanager
def container(image: str, *command: str, volume: str, options: Sequence[str] = (), **environ: str) -> Iterator[str]:
    """A running container with nothing but a volume to write to; its id. Killed at the end, as a power cut would."""
    variables = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
    found = podman(
        "run", "--detach", "--network", "host", *_LEAST, *LIMITS, "--volume", f"{volume}:/data", *variables,
        *options,
        image, *command,
    )  # fmt: skip
    try:
        yield found
    finally:
        podman("rm", "--force", "--time", "0", found)


def refused(image: str, *command: str) -> tuple[int, str]:
    """Exit code and last words of a container that is expected to end by itself."""
    words: Sequence[str] = ["run", "--rm", *_LEAST, *LIMITS, "--network", "host", image, *command]
    done = subprocess.run(
        ["podman", *_storage(), "--runtime", "runc", "--cgroup-manager", "cgroupfs", *words],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr.strip().splitlines()[-1]
