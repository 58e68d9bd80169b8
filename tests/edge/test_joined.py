"""What is written in one turn of the event loop leaves in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

from otp_service.api.protocol import Joined


class Wire:
    """What a transport was told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told


def joined() -> tuple[Any, Wire]:
    wire = Wire()
    return Joined(wire, asyncio.get_running_loop()), wire  # type: ignore[arg-type]


async def test_head_and_body_leave_together() -> None:
    transport, wire = joined()
    for part in (b"head ", b"body"):
        transport.write(part)
    assert wire.told == []
    await asyncio.sleep(0)
    assert wire.told == [b"head body"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert wire.told == [b"head body", b"next"]


async def test_what_was_written_leaves_before_the_end() -> None:
    transport, wire = joined()
    transport.write(b"bye")
    assert not transport.is_closing()
    transport.close()
    await asyncio.sleep(0)
    assert wire.told == [b"bye", "closed"]
    assert transport.is_closing()
