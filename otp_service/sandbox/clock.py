"""The sandbox's own clock: real time, made faster by a factor, plus what was added through `/_sim/clock/advance`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """UTC. It only goes forward; `/_sim/reset` puts it back to real time. speed: its seconds per real second."""

    def __init__(self, speed: float = 1) -> None:
        self._speed = speed
        self.reset()

    def now(self) -> datetime:
        return self._start + (datetime.now(UTC) - self._start) * self._speed + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        self._start = datetime.now(UTC)
        self._ahead = timedelta()
