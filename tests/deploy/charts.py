"""Rendering the Helm chart and looking at what comes out, without a cluster."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "otp-service"
NAME = "otp"  # a Service of this name is what would set OTP_PORT
Values = dict[str, Any]


def example(name: str, **changes: Any) -> Values:
    """An example's values; `a__b=c` changes `a.b`."""
    values: Values = yaml.safe_load((CHART / "examples" / f"{name}.yaml").read_text("utf-8"))
    for path, value in changes.items():
        table = values
        *above, last = path.split("__")
        for key in above:
            table = table.setdefault(key, {})
        table[last] = copy.deepcopy(value)
    return values


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, as Kubernetes does and PyYAML does not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            raise ValueError(f"a key stands twice: {[key.value for key, _ in node.value]}")
        return found


def rendered(values: Values, *, upgrade: bool = False, chart: Path = CHART) -> list[dict[str, Any]]:
    """All manifests, as of an installation or an upgrade. Raises helm_python's errors."""
    from helm_python.chart import Chart

    with Chart.load(chart) as loaded:
        files = loaded.render(
            values,
            name=NAME,
            namespace="login",
            revision=2 if upgrade else 1,
            is_install=not upgrade,
            is_upgrade=upgrade,
        )
    return [
        document
        for path, text in files.items()
        if path.endswith(".yaml")
        for document in yaml.load_all(text, _Strict)
        if document
    ]


def settings_file(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """The ConfigMap that holds it."""
    return next(one for one in manifests if one["kind"] == "ConfigMap" and "otp-service.toml" in one["data"])


def named(manifests: list[dict[str, Any]], kind: str, name: str = "otp-otp-service") -> dict[str, Any]:
    return next(one for one in manifests if one["kind"] == kind and one["metadata"]["name"] == name)


def labels_of_pods(manifests: list[dict[str, Any]]) -> list[dict[str, str]]:
    found = [one if one["kind"] == "Pod" else one.get("spec", {}).get("template", {}) for one in manifests]
    return [pod["metadata"]["labels"] for pod in found if "containers" in pod.get("spec", {})]


def selectors(manifests: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """What each manifest selects pods by, and each pod's spread."""
    found = {}
    for manifest in manifests:
        spec = manifest.get("spec", {})
        chosen = spec.get("podSelector") or spec.get("selector") or {}
        if manifest["kind"] != "ServiceMonitor" and chosen:
            found[f"{manifest['kind']} {manifest['metadata']['name']}"] = chosen.get("matchLabels", chosen)
    return found


def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The specs of all pods, by what they are."""
    specs = {}
    for manifest in manifests:
        pod = manifest if manifest["kind"] == "Pod" else manifest.get("spec", {}).get("template", {})
        if "containers" in pod.get("spec", {}):
            specs[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = pod["spec"]
    return specs
