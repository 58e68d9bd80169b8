"""How messages did by gateway and group of people, for routes that learn: faded counts, shared by all processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from otp_service.domain.routes import HALF_LIFE_MS, KEPT, LONGEST, MOST, Cell, Known
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script, hash_of

MOST_CELLS = 1000
LIFE_MS = 30 * 86_400_000
AT_ONCE, LONGEST_COUNT = 500, 15
_OBSERVE, _READ = Script.load("route/observe"), Script.load("route/read")


class RouteStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> tuple[Known, int]:
        """And Redis time in milliseconds. What cannot be read is as if nothing were known."""
        (reply,) = await self._database.run_many(_READ, [([keys.ROUTES], [])], each=True)
        if reply is None:
            return Known(), 0
        now, flat = reply
        cells, messages = {}, {}
        for name, value in hash_of(flat).items():
            gateway, bar, group = name.decode(errors="replace").partition("|")
            if bar and not gateway and value.isdigit() and len(value) <= LONGEST_COUNT:
                messages[group] = int(value)
            elif bar and (cell := _cell(value)):
                cells[gateway, group] = cell
        return Known(cells, messages), int(now)

    async def observe(self, counted: Mapping[tuple[str, str], Sequence[int]]) -> None:
        """Good and bad messages by gateway and group. Not repeated after a lost answer: rather once less than twice."""
        args: list[Argument] = []
        for (gateway, group), (good, bad) in list(counted.items())[:AT_ONCE]:
            args += [gateway, group, good, bad]
        if args:
            bounds: list[Argument] = [MOST_CELLS, LIFE_MS, HALF_LIFE_MS, f"{KEPT}", LONGEST]
            await self._database.run(_OBSERVE, [keys.ROUTES], [*bounds, *args])


def _cell(value: bytes) -> Cell | None:
    """None for what no version of ours wrote."""
    try:
        good, bad, at, messages = value.split()
        cell = Cell(float(good), float(bad), int(at), int(messages))
    except (ValueError, OverflowError):
        return None
    return cell if all(math.isfinite(each) and 0 <= each <= MOST for each in (cell.good, cell.bad)) else None
