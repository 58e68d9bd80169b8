"""The Helm chart over a matrix of values: valid for three versions of Kubernetes, and accepted by our own settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from otp_service import cli, settings
from tests.deploy.charts import CHART, ROOT, Values, example, labels_of_pods, named, pods, rendered, selectors
from tests.deploy.crds import SCHEMAS

pytestmark = pytest.mark.slow
helm = pytest.importorskip("helm_python", reason="the group `chart` is not installed: make chart-test")
jsonschema = pytest.importorskip("jsonschema")
kubernetes_validate = pytest.importorskip("kubernetes_validate")

ALL = {
    "ingress": {"enabled": False},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "edge"}], "hostnames": ["otp.test"]},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "podAnnotations": {"a.example/b": "c"},
    "podLabels": {"team": "login"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "workers": 3,
    "serviceAccount": {"create": False, "name": "mine"},
}
SPREAD = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]
CASES: dict[str, Values] = {
    "evaluation": example("evaluation"),
    "evaluation with a password": example("evaluation", redis__bundled__passwordKey="VALKEY_PASSWORD"),
    "evaluation on IPv6": example("evaluation", listen="::", networkPolicy={"enabled": True}),
    "production": example("production"),
    "everything": example("production") | ALL,
    "one server": example("evaluation", redis={"url": "rediss://:password@redis.test:6380/1"}),
    "Sentinel": example("evaluation", redis={"url": "redis+sentinel://a:26379,b:26379/0?service=otp"}),
    "Cluster": example("evaluation", redis={"url": "redis+cluster://a:6379,b:6379"}),
    "a name of one's own": example("production", fullnameOverride="codes", nameOverride="codes"),
    "nothing optional": example(
        "evaluation", podDisruptionBudget={"enabled": False}, topologySpreadConstraints=SPREAD, replicaCount=0
    ),
}


@pytest.mark.parametrize("version", ["1.25", "1.31", "1.37"])
@pytest.mark.parametrize("case", CASES)
def test_what_it_renders_is_valid(case: str, version: str) -> None:
    manifests = rendered(CASES[case])
    assert len({(one["kind"], one["metadata"]["name"]) for one in manifests}) == len(manifests) >= 7
    for manifest in manifests:
        if manifest["kind"] in SCHEMAS:
            jsonschema.validate(manifest, SCHEMAS[manifest["kind"]])
        else:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validators_would_notice() -> None:
    manifest = named(rendered(CASES["production"]), "Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.31", strict=True)
    route = named(rendered(CASES["everything"]), "HTTPRoute")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(route | {"spec": route["spec"] | {"hostname": "x"}}, SCHEMAS["HTTPRoute"])


@pytest.mark.parametrize("case", CASES)
def test_the_pods_are_restricted_and_told_what_they_can_read(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and commands are what our own loader and parser take; Kubernetes adds nothing to the environment."""
    manifests = rendered(CASES[case])
    environ = {"TARGETSMS_LOGIN": "login", "TARGETSMS_PASSWORD": "password", "OTP_SECRET": "s" * 32}
    config = next(one for one in manifests if one["kind"] == "ConfigMap" and "otp-service.toml" in one["data"])
    (tmp_path / "otp-service.toml").write_text(config["data"]["otp-service.toml"])
    for component, pod in pods(manifests).items():
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        if component == "redis":
            continue
        told = {item["name"]: item.get("value", "") for item in container["env"]}
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert Path(told["OTP_CONFIG"]).parent in map(Path, mounts)
        told |= environ | {"OTP_CONFIG": str(tmp_path / "otp-service.toml")}
        told["OTP__REDIS__URL"] = told["OTP__REDIS__URL"] or url_in_secret(manifests) or "redis://elsewhere"
        found = settings.load(told)
        assert found.redis.url == told["OTP__REDIS__URL"]
        assert list(found.applications) == ["web"]
        cli.parser().parse_args(container["args"])


@pytest.mark.parametrize("case", CASES)
def test_what_selects_finds_its_pods_and_no_others(case: str) -> None:
    manifests = rendered(CASES[case])
    labels = labels_of_pods(manifests)
    for name, wanted in selectors(manifests).items():
        assert sum(wanted.items() <= one.items() for one in labels) == 1, name
    monitored = [one["spec"]["selector"]["matchLabels"] for one in manifests if one["kind"] == "ServiceMonitor"]
    for wanted in monitored:
        services = [one for one in manifests if one["kind"] == "Service"]
        assert sum(wanted.items() <= one["metadata"]["labels"].items() for one in services) == 2
    backends = re.findall(
        r'"name": "([\w-]+)", "port"', json.dumps([one for one in manifests if "oute" in one["kind"]])
    )
    assert set(backends) <= {one["metadata"]["name"] for one in manifests if one["kind"] == "Service"}


def test_due_jobs_are_run_in_one_kind_of_pod() -> None:
    def told(values: Values) -> dict[str, str]:
        (container,) = pods(rendered(values))["server"]["containers"]
        return {item["name"]: item.get("value", "") for item in container["env"]}

    assert told(CASES["production"])["OTP__WORKER__IN_SERVE"] == "false"
    assert "OTP__WORKER__IN_SERVE" not in told(CASES["evaluation"])


def url_in_secret(manifests: list[dict[str, Any]]) -> str:
    secrets = [one["stringData"] for one in manifests if one["kind"] == "Secret"]
    return next((data["redis-url"] for data in secrets if "redis-url" in data), "")


def test_values_survive_the_way_into_the_settings_file() -> None:
    """YAML to TOML by way of Helm: numbers, lists and quotes."""
    toml = named(rendered(example("production", config__applications__web__brand='A "b" Я')), "ConfigMap")
    settings_of = yaml.safe_load((CHART / "examples" / "production.yaml").read_text("utf-8"))["config"]
    import tomllib

    read = tomllib.loads(toml["data"]["otp-service.toml"])
    assert read["applications"]["web"] == settings_of["applications"]["web"] | {"brand": 'A "b" Я'}
    assert read["gateways"] == settings_of["gateways"]


def test_a_pod_changes_with_its_settings_and_only_then() -> None:
    def annotations(values: Values) -> dict[str, str]:
        return named(rendered(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]

    same = annotations(example("evaluation"))
    assert annotations(example("evaluation", replicaCount=5)) == same
    assert annotations(example("evaluation", config__applications__web__region="KZ")) != same
    assert annotations(example("evaluation", secret__values__OTP_SECRET="t" * 32)) != same


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"redis": {"bundled": {"enabled": False}}}, "exactly one of redis.url"),
        ({"redis__url": "redis://a"}, "exactly one of redis.url"),
        ({"redis": {"url": "http://redis"}}, "redis/url"),
        ({"config__redis": {"url": "redis://a"}}, "config.redis.url: the chart sets it"),
        ({"secret": {"values": {}}}, "openssl rand -hex 32"),
        ({"secret__values__OTP_SECRET": "short"}, "OTP_SECRET"),
        ({"secret__values__targetsms-login": "x"}, "targetsms-login"),
        ({"config__service__secret": "written in clear, thirty-two characters"}, "config/service/secret"),
        ({"config__gateways__targetsms-xml__password": "in clear"}, "targetsms-xml/password"),
        ({"config__service__public_url": "http://otp.example.ru"}, "public_url"),
        ({"config__service__public_url": ""}, "say where callers reach"),
        ({"config__gateways": {}}, "config.gateways"),
        ({"config__applications": {}}, "config.applications"),
        ({"replicaCount": "2"}, "want integer"),
        ({"replicas": 2}, "replicas"),
        ({"image__tagg": "x"}, "tagg"),
        ({"image__digest": "sha256:1"}, "digest"),
        ({"logLevel": "debug"}, "logLevel"),
        ({"config__service__stop_delay_seconds": 20}, "stop_delay_seconds + 15"),
        ({"workers": 0}, "workers"),
        ({"ingress__enabled": True}, "ingress.host"),
        ({"ingress__paths": ["v1"]}, "ingress/paths"),
        ({"worker": {"enabled": True, "replicaCount": 0}}, "worker.replicaCount"),
        ({"httpRoute__enabled": True}, "httpRoute.parentRefs"),
        ({"service__port": 70000}, "service/port"),
        ({"networkPolicy__redis__ports": []}, "networkPolicy/redis/ports"),
    ],
)
def test_what_cannot_work_is_refused_with_its_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        rendered(example("evaluation", **changes))
    assert words in str(refused.value)


def test_the_linters_have_nothing_to_say() -> None:
    for name in ("evaluation", "production"):
        report = helm.lint(CHART, example(name), strict=True, kube_version="v1.31.0")
        assert [one for one in report["messages"] if one["severity"] > 1] == []
    files = [CHART / "Chart.yaml", CHART / "values.yaml", *CHART.glob("examples/*"), *CHART.glob("files/*.yaml")]
    for words in (
        [sys.executable, "-m", "yamllint", "--strict", "-d", YAMLLINT, *files],
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
    ):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


YAMLLINT = """{extends: default, rules: {indentation: {indent-sequences: whatever}, line-length: {max: 120},
document-start: disable, braces: {max-spaces-inside: 1}}}"""


def test_the_versions_are_those_of_the_project() -> None:
    from otp_service import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__
    assert f"ARG VERSION={__version__}" in (ROOT / "Dockerfile").read_text("utf-8")
