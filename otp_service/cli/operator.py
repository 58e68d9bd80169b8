"""Who runs a command, for the audit log."""

from __future__ import annotations

import getpass


def actor() -> str:
    """`cli:` and the account of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a container may run under a number that has no name
        return "cli:unknown"
