"""The provider on a real socket, and a port that nobody uses while tests run side by side."""

from __future__ import annotations

from otp_service.testing.stub import FAULTS, Request, Stub, reset
from tests.running import free_port

__all__ = ["FAULTS", "PATIENT", "Request", "Stub", "closed_port", "reset"]

PATIENT = 30.0
"""Seconds for an exchange that is not about time: a busy machine takes its own."""


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    return free_port()
