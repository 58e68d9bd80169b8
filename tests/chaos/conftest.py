"""Two service processes on a topology that can be broken, and the crowd that calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.api import Gateways
from tests.chaos.crowd import Crowd
from tests.running import running_service
from tests.topologies import servers
from tests.topologies.network import Network


@dataclass
class Stage:
    """servers: the topology. logs: of the service processes."""

    servers: Any
    net: Network
    crowd: Crowd
    logs: list[Path]

    def undisturbed(self) -> None:
        """Nobody heard anything but a verdict or a status, at the first try."""
        assert {event.http for event in self.crowd.history.events} == {200}
        assert set(self.crowd.tries) == {1}

    @property
    def sent(self) -> str:
        """How many SMS left, for how many starts."""
        sends = self.crowd.sends
        return f"{sum(each.left for each in sends)} SMS for {sum(each.acts for each in sends)} starts"

    def judged(self) -> None:
        """No rule is broken, nothing went wrong that no fault excuses."""
        self.crowd.history.save(self.logs[0].parent / "history.jsonl")
        assert self.crowd.history.violations() == []
        assert [sentence for sends in self.crowd.sends for sentence in sends.violations()] == []
        assert not self.crowd.bad
        assert not self.crowd.tries[0], "a caller that kept asking never heard a verdict"
        for log in self.logs:
            assert "Traceback" not in log.read_text(), log.read_text()[-4000:]


@asynccontextmanager
async def stage(
    kind: str,
    folder: Path,
    sandbox: str,
    gateways: Gateways,
    seed: int = 0,
    *,
    binary: str = "",
    options: Mapping[str, Any] = MappingProxyType({}),
    **environ: str,
) -> AsyncIterator[Stage]:
    with (
        servers.running(kind, binary or servers.binary(), folder, seed, **options) as (found, net),
        running_service(folder, found.url, sandbox, OTP_LOG_LEVEL="WARNING", **environ) as (first, _, one),
        running_service(folder, found.url, sandbox, OTP_LOG_LEVEL="WARNING", **environ) as (second, _, two),
    ):
        crowd = Crowd([first, second], gateways, seed)
        try:
            yield Stage(found, net, crowd, [one, two])
        finally:
            await crowd.close()


@pytest.fixture(params=servers.binaries())
def binary(request: pytest.FixtureRequest) -> str:
    """Each server that can be run here."""
    return servers.binaries()[request.param]
