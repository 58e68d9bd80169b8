"""R-13: the clocks of Redis and of this host are five minutes apart; lives follow Redis alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.api import Api, Gateways
from tests.clock import faked_server
from tests.running import API_KEY, running_service

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_r13_codes_live_by_the_clock_of_redis(
    minutes: int, tmp_path: Path, sandbox_process: str, gateways: Gateways
) -> None:
    with faked_server(tmp_path / "redis") as server:
        server.clock.move(minutes=minutes)
        with running_service(tmp_path, server.url, sandbox_process) as (url, _, log):
            assert "clock_is_wrong" in log.read_text()
            async with Api(url, API_KEY) as api:
                server.clock.stand_still()
                early, late = await api.started("+79161230031"), await api.started("+79161230032")
                lives = datetime.fromisoformat(early["expires_at"]) - datetime.fromisoformat(early["created_at"])
                assert abs(lives.total_seconds() - 300) < 2
                codes = [(await gateways.codes(f"+7916123003{n}"))[0] for n in (1, 2)]
                server.clock.move(seconds=298)
                assert await api.outcome(early["id"], codes[0]) == "approved"
                server.clock.move(seconds=4)
                assert await api.outcome(late["id"], codes[1]) == "expired"
