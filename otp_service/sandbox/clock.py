"""The sandbox's own clock: real time plus what was added through `/_sim/clock/advance`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """UTC. It only goes forward; `/_sim/reset` puts it back to real time."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        self._ahead = timedelta()
