"""What of three custom resources the chart may use: kubernetes-validate has no schemas of them.

After the API references of the Prometheus operator (monitoring.coreos.com/v1) and the Gateway API (v1).
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def closed(*required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required) or list(properties),
        "properties": properties,
    }


def several(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
METADATA = closed("name", name=TEXT, labels=TEXTS, annotations=TEXTS)
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}
EXPRESSION = closed(key=TEXT, operator={"enum": ["In", "NotIn"]}, values=several(TEXT))
RELABELING = closed(
    "sourceLabels", sourceLabels=several(TEXT), regex=TEXT, targetLabel=TEXT, replacement=TEXT, action=TEXT
)
RULE = closed("alert", "expr", alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": DURATION})


def kind(version: str, name: str, spec: Schema) -> Schema:
    return closed(apiVersion={"const": version}, kind={"const": name}, metadata=METADATA, spec=spec)


SCHEMAS: dict[str, Schema] = {
    "ServiceMonitor": kind(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        closed(
            selector=closed(matchLabels=TEXTS, matchExpressions=several(EXPRESSION)),
            endpoints=several(
                closed(
                    "port",
                    port=TEXT,
                    path=TEXT,
                    interval=DURATION,
                    relabelings=several(RELABELING),
                    metricRelabelings=several(RELABELING),
                )
            ),
        ),
    ),
    "Probe": kind(
        "monitoring.coreos.com/v1",
        "Probe",
        closed(
            jobName=TEXT,
            interval=DURATION,
            module=TEXT,
            prober=closed(url=TEXT),
            targets=closed(staticConfig=closed(static=several(TEXT))),
        ),
    ),
    "PrometheusRule": kind(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        closed(groups=several(closed("name", "rules", name=TEXT, interval=DURATION, rules=several(RULE)))),
    ),
    "HTTPRoute": kind(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        closed(
            "parentRefs",
            "rules",
            parentRefs=several(closed("name", name=TEXT, namespace=TEXT, sectionName=TEXT)),
            hostnames=several(TEXT),
            rules=several(
                closed(
                    matches=several(closed(path=closed(type={"enum": ["PathPrefix", "Exact"]}, value=TEXT))),
                    backendRefs=several(closed(name=TEXT, port={"type": "integer"})),
                )
            ),
        ),
    ),
}
