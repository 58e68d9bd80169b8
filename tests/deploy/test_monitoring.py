"""Alert rules and dashboard: each expression asks for metrics that there are, each alert is tried and explained."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from otp_service.telemetry import metrics
from tests.api import Api
from tests.deploy.charts import CHART, ROOT

ALERTS = CHART / "files" / "alerts.yaml"
TRIALS = Path(__file__).with_name("alerts.yaml")
WEEKS = Path(__file__).with_name("alerts_of_weeks.yaml")
QUIET = yaml.safe_load(Path(__file__).with_name("quiet.yaml").read_text("utf-8"))
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))
RULES = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]
OF_THE_PROCESS = {
    "process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total", "process_start_time_seconds",
}  # fmt: skip
OF_OTHERS = {"up", "probe_ssl_earliest_cert_expiry"}
"""What Prometheus and its blackbox exporter tell."""


def samples() -> dict[str, set[str]]:
    """Every sample that /metrics can show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric._type, ("",))
            for ending in endings:
                labels = {*metric._labelnames, *(["le"] if ending == "_bucket" else [])}
                found[metric._name + ending] = labels
    return found


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        yield from [panel, *panel.get("panels", [])]


def expressions() -> dict[str, str]:
    """By where they stand."""
    shown = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel.get("targets", [])
    }
    asked = {item["name"]: item["query"]["query"] for item in DASHBOARD["templating"]["list"] if "query" in item
             and isinstance(item["query"], dict)}  # fmt: skip
    return {**{rule["alert"]: rule["expr"] for rule in RULES}, **shown, **asked}


@pytest.mark.parametrize(("where", "expression"), expressions().items(), ids=expressions())
def test_an_expression_asks_for_what_there_is(where: str, expression: str) -> None:
    """Metrics by name, labels in selectors and in `by (…)`."""
    known = samples()
    asked = set(re.findall(r"\b(?:otp|process|probe)_\w+", re.sub(r'"[^"]*"', '""', expression)))
    assert asked, where
    assert asked - OF_THE_PROCESS - OF_OTHERS <= set(known), where
    labels = {label for name in asked for label in known.get(name, ())} | {"instance", "job", "pod", "namespace"}
    for name, selector in re.findall(r"\b((?:otp|process)_\w+)\{([^}]*)\}", re.sub(r'"[^"]*"', '""', expression)):
        assert set(re.findall(r"(\w+)\s*[=!~]", selector)) <= known.get(name, set()) | {
            "instance",
            "job",
            "namespace",
        }, where
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", group)) <= labels, where


async def test_the_page_has_them(api: Api) -> None:
    """What metrics.py declares is what a process really exposes (a metric without labels from the start)."""
    page = (await api.http.get("/metrics")).text
    exposed = set(re.findall(r"^# TYPE (\w+) ", page, flags=re.MULTILINE))
    wanted = {re.sub(r"_(bucket|count|sum)$", "", name) for name in samples()}
    assert wanted <= exposed | {name.removesuffix("_total") for name in exposed}
    assert exposed >= OF_THE_PROCESS


def test_every_alert_is_explained_and_tried() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text("utf-8"), flags=re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]
    fired, quiet = set(), set()
    for story in [story for file in (TRIALS, WEEKS) for story in yaml.safe_load(file.read_text("utf-8"))["tests"]]:
        for trial in story["alert_rule_test"]:
            (fired if trial["exp_alerts"] else quiet).add(trial["alertname"])
    assert fired == set(headings) > quiet
    assert len(QUIET) == 5, "every rule is silent in each of them"
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    for rule in RULES:
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_the_dashboard_can_be_imported() -> None:
    """Ids are its own, nothing overlaps, each panel says where its data come from and what it shows."""
    every = list(panels())
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
            assert panel["description"], panel["title"]
            assert panel["targets"], panel["title"]
    assert {"datasource", "namespace", "job", "application", "gateway"} == {
        item["name"] for item in DASHBOARD["templating"]["list"]
    }


def test_what_is_generated_is_current() -> None:
    made = runpy.run_path(str(ROOT / "helm" / "make_dashboard.py"))["dashboard"]()
    assert (CHART / "files" / "dashboard.json").read_text("utf-8") == made, "make chart"
    readme = (CHART / "README.md").read_text("utf-8")
    documented = runpy.run_path(str(ROOT / "helm" / "document_values.py"))["documented"]
    assert documented(readme, (CHART / "values.yaml").read_text("utf-8")) == readme, "make chart"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_promtool_agrees(tmp_path: Path) -> None:
    told = re.sub(r"\n +runbook_url:.*", "", ALERTS.read_text("utf-8"))  # the trials would repeat it a hundred times
    (tmp_path / "alerts.rules.yaml").write_text(told)
    shutil.copy(TRIALS, tmp_path / "trials.yaml")
    shutil.copy(WEEKS, tmp_path / "weeks.yaml")
    (tmp_path / "quiet.yaml").write_text(yaml.safe_dump({
        "rule_files": ["alerts.rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {"name": story["name"], "interval": "1m", "input_series": story["input_series"], "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": rule["alert"], "exp_alerts": []}
                for minute in range(0, story["minutes"], 5) for rule in RULES
            ]} for story in QUIET
        ],
    }))  # fmt: skip
    shown = {"groups": [{"name": "dashboard", "rules": [
        {"record": f"shown:{number}", "expr": re.sub(r"\$__rate_interval", "5m", expression)}
        for number, expression in enumerate(expressions().values())
        if not expression.startswith("label_values")
    ]}]}  # fmt: skip
    (tmp_path / "shown.yaml").write_text(yaml.safe_dump(shown))
    for words in (
        ["check", "rules", "alerts.rules.yaml", "shown.yaml"],
        ["test", "rules", "trials.yaml", "weeks.yaml", "quiet.yaml"],
    ):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    trials = yaml.safe_load(TRIALS.read_text("utf-8"))
    (first, *_) = trials["tests"]
    first["alert_rule_test"][-1]["exp_alerts"][0]["exp_annotations"]["summary"] += "?"
    (tmp_path / "trials.yaml").write_text(yaml.safe_dump(trials | {"tests": [first]}))
    spoilt = subprocess.run(["promtool", "test", "rules", "trials.yaml"], cwd=tmp_path, capture_output=True)
    assert spoilt.returncode != 0, "it would notice"
