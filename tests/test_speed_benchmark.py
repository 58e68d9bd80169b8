"""The short forms of `make bench` and `make bench-growth`: everything is measured, and no answer is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import sizing
from benchmarks.peers import __main__ as peers
from benchmarks.rig import servers
from benchmarks.rig.servers import Plan
from benchmarks.sizing import Demand
from benchmarks.speed import tables
from benchmarks.speed.rounds import SHIPPED, Told, written
from otp_service.gateways.config import GatewayConfig
from otp_service.settings import Application, Guard, Hashing, Http, Redis, load
from otp_service.settings.values import Retention, Worker

AT_ONCE = 4
MEASURED = {
    *(("hash", 0, len(os.sched_getaffinity(0)), cost) for cost in ("1024,1,1", "19456,2,1")),
    *((name, 0, AT_ONCE, "") for name in tables.FLOORS if name != "hash"),
    *((name, 1, AT_ONCE, "1024,1,1") for name in tables.OPERATIONS),
    ("check", 1, AT_ONCE, "19456,2,1"),
    ("paced", 1, 0, "1024,1,1"),
    ("paced, at random", 1, 0, "1024,1,1"),
    ("burst", 1, 20, "1024,1,1"),
    ("import", 0, 0, ""),
    *((name, 1, 0, "") for name in ("ready", "memory, idle", "memory, loaded")),
}


def run(module: str, *words: str) -> str:
    """A benchmark as it is called; what it printed."""
    if not shutil.which("wrk"):
        if os.environ.get("CI"):
            pytest.fail("CI has to have wrk")
        pytest.skip("wrk is not installed")
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_speed_is_measured_beside_its_floors(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    told = (
        f"--rounds 1 --seconds 1 --concurrency {AT_ONCE} --workers 1 --recorded 24 --settle 0.3 --burst 20 --markdown"
    )
    printed = run("speed", *told.split(), "--json", str(file))

    found: dict[str, Any] = json.loads(file.read_text())
    rows = {(row["name"], row["workers"], row["concurrency"], row["cost"]): row for row in found["rows"]}
    assert rows.keys() == MEASURED
    assert [row["name"] for row in rows.values() if not row["valid"]] == []
    for row in rows.values():
        for name, spread in row["figures"].items():
            assert 0 <= spread["least"] <= spread["median"] <= spread["most"], (row["name"], name)
    assert rows["start", 1, AT_ONCE, "1024,1,1"]["figures"]["cpu_gateway"]["median"] > 0
    assert [one["what"] for one in found["verdicts"] if one["value"] is None] == []
    page = tables.PAGE.read_text()
    for name in re.findall(r"^<!-- (speed [a-z]+) -->$", page, flags=re.MULTILINE):
        assert f"<!-- {name} -->\n" in printed
    tables.put(sections(printed), copy(tmp_path))


@pytest.mark.slow
def test_growth_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    printed = run("growth", "--sizes", "200", "--seconds", "1", "--json", str(file))

    (size,) = json.loads(file.read_text())["sizes"]
    assert (size["live"], size["bad"]) == (200, 0)
    assert size["operations"].keys() == {"check", "status", "start"}
    assert size["bytes_live"] > size["bytes_events"] > 100
    tables.put(sections(printed), copy(tmp_path))


@pytest.mark.slow
def test_shards_share_the_load(tmp_path: Path) -> None:
    file = tmp_path / "shards.json"
    told = "--primaries 2 --rounds 1 --seconds 1 --settle 0.3"
    printed = run("shards", *told.split(), "--json", str(file))

    rows = {row["load"]: row["rounds"][0] for row in json.loads(file.read_text())["rows"]}
    assert rows.keys() == {"start", "check", "status"}
    assert all(row["rate"] > 0 and 0.5 <= row["busiest"] < 0.9 for row in rows.values())
    assert "<!-- shards -->" in printed
    assert "<!-- shards -->" in tables.PAGE.read_text()


@pytest.mark.slow
def test_peers_are_measured_like_the_service(tmp_path: Path) -> None:
    """Without npm: the service alone, as one process."""
    file = tmp_path / "peers.json"
    options = ["--servers", "1", "--rounds", "1", "--requests", "40", "--warm", "8", "--json", str(file)]
    printed = run("peers", *options)

    (row,) = json.loads(file.read_text())["rounds"]["1"]
    assert set(row) == set(peers.FIGURES)
    assert all(value > 0 for value in row.values())
    assert "the service, 1 process" in printed


def test_what_peers_must_show_is_reckoned_from_the_better_of_each() -> None:
    def row(sends: float, checks: float, spent: float) -> dict[str, float]:
        return {"sends": sends, "checks": checks, "send cpu": spent}

    found = {"1": row(100, 400, 5), "2": row(125, 300, 6), "memory": row(100, 50, 5.5), "sqlite": row(90, 160, 6)}
    printed = peers.verdicts(found)
    assert "| 1.25 | ≥ 1.25 | kept |" in printed
    assert "| 2.50 | ≥ 2.5 | kept |" in printed
    assert "| 5.00 ms | ≤ 5.50 ms | kept |" in printed
    assert "missed" in peers.verdicts(found | {"memory": row(101, 161, 4.9)})
    assert all(f"<!-- {name} -->" in tables.PAGE.read_text() for name in ("peers", "peers verdicts"))


def test_as_shipped_means_the_shipped_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(servers.settings(Plan(), servers.url_of(1), 2))
    found = load({"OTP_CONFIG": str(file), "BENCHMARK_SECRET": "x" * 32})
    assert found.applications == {servers.APPLICATION: Application(brand="Example")}
    assert found.worker == Worker()
    assert found.hashing == Hashing()
    assert written(SHIPPED) == str(Hashing().cost)
    defaults = {field.name: field.default for field in msgspec.structs.fields(GatewayConfig)}
    assert Plan().max_parallel == defaults["max_parallel"]
    nobody = servers.NOBODY_ANSWERS
    assert found.guard == Guard(wrong_codes_floor=servers.NO_ALARM, region_floor=nobody, provider_floor=nobody)
    assert (found.http, found.redis, found.retention) == (Http(), Redis(url="redis://127.0.0.1:1/0"), Retention())


def test_the_arithmetic_of_sizing_adds_up() -> None:
    found = sizing.Costs((2.0, 0.5, 1.0, 2.0), (0.4, 0.1, 0.2, 0.3), 3000, 2500, 500)
    demand = Demand(starts=100, wrong=0.5, right=1.0, load=0.5, live=10, kept=100, told=1000)
    assert sizing.busy(found.service, demand) == pytest.approx(100 * 5.0 / 1000 / 0.5)
    assert sizing.memory(found, demand) == 100 * (10 * 2500 + 100 * 2000 + 1000 * 500)
    assert "cores of the service" in sizing.sizing(found, demand)


def test_the_middle_of_what_is_measured_is_judged() -> None:
    assert Told().middle == 16


def sections(printed: str) -> dict[str, str]:
    found = re.findall(r"<!-- ([a-z ]+) -->\n(.*?)\n<!-- /\1 -->", printed, flags=re.DOTALL)
    assert found
    return dict(found)


def copy(folder: Path) -> Path:
    """Of the page, to be written to."""
    page = folder / tables.PAGE.name
    page.write_text(tables.PAGE.read_text())
    return page
