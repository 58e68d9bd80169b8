"""Writes the Grafana dashboard from the table of panels below: `make chart`. A dashboard edited by hand is lost."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "otp-service" / "files" / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
APP = 'application=~"$application"'
GATE = 'gateway=~"$gateway"'
CALLS = 'route!~"/health/.*|/metrics|/schema.*"'
WIDTH, HEIGHT = 8, 8  # of a panel; a dashboard is 24 wide


def mine(expression: str) -> str:
    """An expression, asking for the releases alone that are chosen. Without Kubernetes there is no namespace, and all
    matches that."""
    here = 'namespace=~"$namespace", job=~"$job"'
    expression = re.sub(r"\b((?:otp|process)_[a-z_]+)\{(?=\w)", rf"\1{{{here}, ", expression)
    expression = re.sub(r"\b((?:otp|process)_[a-z_]+)\{\}", rf"\1{{{here}}}", expression)
    return re.sub(r"\b((?:otp|process)_[a-z_]+)(?![a-z_{])", rf"\1{{{here}}}", expression)


def rate(metric: str, by: str, selector: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", selector: str = "") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, selector)})"


def both(metric: str, by: str, selector: str = "") -> dict[str, str]:
    """Median and tail."""
    return {
        f"{{{{{by}}}}} half": quantile(0.5, metric, by, selector),
        f"{{{{{by}}}}} 95 %": quantile(0.95, metric, by, selector),
    }


APPROVED = rate("otp_approval_seconds_count", "application", APP)
SENT = rate("otp_verifications_total", "application", f'result="sent", {APP}')
DELIVERED = rate("otp_messages_final_total", "gateway", f'status="delivered", {GATE}')
FINAL = rate("otp_messages_final_total", "gateway", GATE)

# Row → panels: title, unit, what it shows, legend → expression.
Panel = tuple[str, str, str, dict[str, str]]
ROWS: dict[str, list[Panel]] = {
    "Codes": [
        ("Starts", "ops", "What became of starts. failed: no gateway took the message.", {
            "{{application}} {{result}}": rate("otp_verifications_total", "application, result", APP)}),
        ("Conversion", "percentunit", "Codes that came back right, of those that were sent.", {
            "{{application}}": f"({APPROVED} or 0 * {SENT}) / {SENT}"}),
        ("Time to approval", "s", "From the start until the right code came.",
         both("otp_approval_seconds", "application", APP)),
        ("Verdicts", "ops", "Outcomes of checks.", {
            "{{application}} {{outcome}}": rate("otp_checks_total", "application, outcome", APP)}),
        ("Refusals", "ops", "Requests refused, by the code of the problem.", {
            "{{code}}": rate("otp_refusals_total", "code")}),
        ("Approvals by gateway", "ops", "Whose message was the last to go out before an approval.", {
            "{{gateway}}": rate("otp_approval_seconds_count", "gateway", f"{APP}, {GATE}")}),
        ("Second factors", "ops", "Outcomes of checks of authenticators and backup codes.", {
            "{{factor}} {{outcome}}": rate("otp_factor_checks_total", "factor, outcome", APP)}),
        ("Second factors set up", "ops", "Changes of second factors.", {
            "{{application}} {{action}}": rate("otp_factors_total", "application, action", APP)}),
    ],
    "Gateways": [
        ("Sends", "ops", "Messages handed to gateways, by the answer.", {
            "{{gateway}} {{status}}": rate("otp_sends_total", "gateway, status", GATE)}),
        ("Why sends fail", "ops", "Reasons of what was not taken, and of what is unclear.", {
            "{{gateway}} {{reason}}": rate("otp_sends_total", "gateway, reason", f'reason!="", {GATE}')}),
        ("Time to accepted", "s", "Until the gateway answered a send.", both("otp_gateway_seconds", "gateway", GATE)),
        ("Time to delivered", "s", "From the gateway's acceptance to the delivery, as it tells.",
         both("otp_delivery_seconds", "gateway", GATE)),
        ("Delivered", "percentunit", "Of the messages whose end is known.", {
            "{{gateway}}": f"({DELIVERED} or 0 * {FINAL}) / {FINAL}"}),
        ("Fail-overs", "ops", "Messages sent instead of one that did not arrive.", {
            "{{channel}} {{why}}": rate("otp_failovers_total", "channel, why")}),
        ("Circuits", "short", "1: the gateway is left alone because it failed.", {
            "{{gateway}}": f"max by (gateway) (otp_circuit_open{{{GATE}}})"}),
        ("Balance", "short", "What is left on the account, as the provider counts.", {
            "{{gateway}}": f"min by (gateway) (otp_gateway_balance{{{GATE}}})"}),
        ("Reports", "ops", "States pushed to us, and questions asked.", {
            "pushed: {{result}}": rate("otp_callbacks_total", "result"),
            "asked: {{gateway}} {{reason}}": rate("otp_gateway_questions_total", "gateway, reason", GATE)}),
    ],
    "Limits, money, webhooks": [
        ("Limits", "ops", "Requests refused by a named limit.", {
            "{{application}} {{limit}}": rate("otp_limited_total", "application, limit", APP)}),
        ("Pumping guard", "ops", "What it thought of sends.", {
            "{{application}} {{decision}}": rate("otp_guard_total", "application, decision", APP)}),
        ("Money per hour", "short", "Roubles, by the prices of the settings.", {
            "{{application}} {{gateway}}": f"3600 * {rate('otp_spent_roubles_total', 'application, gateway', APP)}"}),
        ("Webhooks", "ops", "Events told to receivers, by what came of it.", {
            "{{application}} {{result}}": rate("otp_webhook_deliveries_total", "application, result", APP)}),
        ("Webhook backlog", "short", "Events that receivers were not told of yet.", {
            "{{application}}": f"max by (application) (otp_webhook_backlog{{{APP}}})"}),
        ("Webhooks stopped", "short", "Events kept for a replay, and receivers that are told nothing.", {
            "{{application}} events": f"max by (application) (otp_webhook_parked{{{APP}}})",
            "{{application}} receivers": f"max by (application) (otp_webhook_disabled{{{APP}}})"}),
    ],
    "Service": [
        ("Requests", "reqps", "By status, without probes and scrapes.", {
            "{{status}}": rate("otp_http_requests_total", "status", CALLS)}),
        ("Time to answer", "s", "By route, 95 %.", {
            "{{route}}": quantile(0.95, "otp_http_request_seconds", "route", CALLS)}),
        ("Hash pool", "s", "argon2id: waiting for a thread, and the computation, 95 %.", {
            "waiting": quantile(0.95, "otp_hash_wait_seconds"), "computing": quantile(0.95, "otp_hash_seconds")}),
        ("Places for checks", "short", "At 0 a check hears 503.", {"{{instance}} {{pid}}": "otp_hash_places_free"}),
        ("Memory", "bytes", "Of each process; not told with `serve --workers`.", {
            "{{instance}}": "process_resident_memory_bytes"}),
        ("Processor", "short", "Cores in use by each process; not told with `serve --workers`.", {
            "{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"}),
    ],
    "Redis and jobs": [
        ("Redis", "s", "Until it answered, by script or command, 99 %.", {
            "{{operation}}": quantile(0.99, "otp_storage_seconds", "operation")}),
        ("Calls to Redis", "ops", "By script or command.", {
            "{{operation}}": rate("otp_storage_seconds_count", "operation")}),
        ("Faults of Redis", "ops", "Calls that ended in 503.", {
            "{{operation}}": rate("otp_storage_faults_total", "operation")}),
        ("Jobs", "ops", "Due jobs that were run.", {"{{kind}}": rate("otp_jobs_total", "kind")}),
        ("How late jobs are", "s", "The latest of the last round.", {"latest": "max(otp_due_oldest_seconds)"}),
        ("Workers", "s", "Since each last came round; above 5 it is late.", {
            "{{instance}} {{pid}}": "otp_worker_last_round_seconds"}),
    ],
}  # fmt: skip


def panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    top = 0
    for row, inside in ROWS.items():
        made.append({"type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": _place(0, top, 24, 1)})
        for number, panel in enumerate(inside):
            down, across = divmod(number, 24 // WIDTH)
            made.append(_panel(panel, _place(across * WIDTH, top + 1 + down * HEIGHT, WIDTH, HEIGHT)))
        top += 1 + -(-len(inside) // (24 // WIDTH)) * HEIGHT
    return [{"id": number, **panel} for number, panel in enumerate(made, 1)]


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    title, unit, description, targets = panel
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 8}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": mine(expression), "legendFormat": legend}
            for number, (legend, expression) in enumerate(targets.items())
        ],
    }


def _variable(name: str, metric: str) -> dict[str, Any]:
    query = f"label_values({metric}, {name})"
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard() -> str:
    made = {
        "title": "otp-service",
        "uid": "otp-service",
        "schemaVersion": 39,
        "tags": ["otp-service"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "current": {}},
                _variable("namespace", "otp_build_info"),
                _variable("job", 'otp_build_info{namespace=~"$namespace"}'),
                _variable("application", mine("otp_verifications_total")),
                _variable("gateway", mine("otp_sends_total")),
            ]
        },
        "panels": panels(),
    }
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(dashboard(), "utf-8")
    sys.exit(0)
