"""The Helm chart over a matrix of values: valid for three versions of Kubernetes, and accepted by our own settings."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from otp_service import cli, settings
from tests.deploy.charts import (
    CHART,
    ROOT,
    Values,
    example,
    labels_of_pods,
    named,
    pods,
    rendered,
    selectors,
    settings_file,
)  # fmt: skip
from tests.deploy.crds import SCHEMAS

pytestmark = pytest.mark.slow
helm = pytest.importorskip("helm_python", reason="the group `chart` is not installed: make chart-test")
jsonschema = pytest.importorskip("jsonschema")
kubernetes_validate = pytest.importorskip("kubernetes_validate")

ALL = {
    "ingress": {"enabled": False, "internal": {"enabled": False}},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "edge"}], "hostnames": ["otp.test"]},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "extraEnvFrom": [{"configMapRef": {"name": "proxies"}}],
    "initContainers": [{"name": "wait", "image": "busybox", "command": ["true"]}],
    "extraContainers": [{"name": "beside", "image": "busybox", "command": ["sleep", "1d"]}],
    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
    "commonLabels": {"cost-centre": "login", "team": "platform"},
    "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
    "service": {"type": "LoadBalancer", "loadBalancerClass": "internal/x", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
    "serviceMonitor": {
        "enabled": True,
        "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
        "metricRelabelings": [{"sourceLabels": ["route"], "regex": "/schema.*", "action": "drop"}],
    },
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
    "evaluation with everything": example("evaluation") | ALL,
    "production": example("production"),
    "everything": example("production") | ALL,
    "OpenShift": example("openshift"),
    "secrets as files": example("secrets-as-files"),
    "scaled on the hash pool": example("production") | example("scale-on-hash-pool"),
    "traced": example("production", config__tracing={"endpoint": "http://tempo.obs.svc:4318/v1/traces"}),
    "one server": example("evaluation", redis={"url": "rediss://:password@redis.test:6380/1"}),
    "Sentinel": example("evaluation", redis={"url": "redis+sentinel://a:26379,b:26379/0?service=otp"}),
    "Cluster": example("evaluation", redis={"url": "redis+cluster://a:6379,b:6379"}),
    "a name of one's own": example("production", fullnameOverride="codes", nameOverride="codes"),
    "names like numbers": example(
        "production",
        nameOverride="7",
        secret={"existing": "1e3"},
        redis={"existingSecret": {"name": "0x1f", "key": "12"}},
        ingress={"enabled": True, "host": "1.2", "className": "123", "tlsSecret": "null"},
        serviceAccount={"name": "true"},
        certificateProbe={"enabled": True, "module": "2"},
        commonLabels={"year": "2026", "on": "yes"},
        podAnnotations={"quoted": 'a "b": {{ c }}\n# d'},
        nodeSelector={"gpu": "false"},
    ),
    "nothing optional": example(
        "evaluation", podDisruptionBudget={"enabled": False}, topologySpreadConstraints=SPREAD, replicaCount=0
    ),
}


@pytest.mark.parametrize("version", ["1.25", "1.31", "1.37"])
@pytest.mark.parametrize("case", CASES)
def test_what_it_renders_is_valid(case: str, version: str) -> None:
    manifests = rendered(CASES[case], upgrade=True)
    assert len({(one["kind"], one["metadata"]["name"]) for one in manifests}) == len(manifests) >= 7
    for manifest in manifests:
        if manifest["kind"] == "PodDisruptionBudget" and version == "1.25":  # rendered as for the library's own version
            del manifest["spec"]["unhealthyPodEvictionPolicy"]
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
    manifests = rendered(CASES[case], upgrade=True)
    environ = {"TARGETSMS_LOGIN": "login", "TARGETSMS_PASSWORD": "password", "OTP_SECRET": "s" * 32}
    for name in ("root-secret", "targetsms-login", "targetsms-password", "redis-url"):
        (tmp_path / name).write_text("redis://" + "s" * 32)
    written = settings_file(manifests)["data"]["otp-service.toml"].replace("/mnt/secrets", str(tmp_path))
    (tmp_path / "otp-service.toml").write_text(written)
    for component, pod in pods(manifests).items():
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        container = pod["containers"][0]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        if component == "redis":
            continue
        told = {item["name"]: item.get("value", "").replace("/mnt/secrets", str(tmp_path)) for item in container["env"]}
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert Path(told["OTP_CONFIG"]).parent in map(Path, mounts)
        told |= environ | {"OTP_CONFIG": str(tmp_path / "otp-service.toml")}
        told["OTP__REDIS__URL"] = told["OTP__REDIS__URL"] or url_in_secret(manifests) or "redis://elsewhere"
        found = settings.load(told)
        assert found.redis.url == told["OTP__REDIS__URL"] or told["OTP__REDIS__URL"].startswith("file:")
        assert (
            component == "test" or found.redis.wait_at_start_seconds < 2 * container["startupProbe"]["failureThreshold"]
        )
        assert list(found.applications) == ["web"]
        cli.parser().parse_args(container["args"])


@pytest.mark.parametrize("case", CASES)
def test_what_selects_finds_its_pods_and_no_others(case: str) -> None:
    manifests = rendered(CASES[case])  # where it is not an upgrade: then the doctor has a second pod
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


def test_the_doctor_stays_so_that_its_words_can_be_read() -> None:
    """`helm test --logs` asks for the log once the pod has ended."""
    doctor = named(rendered(CASES["production"]), "Pod", "otp-otp-service-doctor")
    assert doctor["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_due_jobs_are_run_in_one_kind_of_pod() -> None:
    def told(values: Values) -> dict[str, str]:
        container = pods(rendered(values))["server"]["containers"][0]
        return {item["name"]: item.get("value", "") for item in container["env"]}

    assert told(CASES["production"])["OTP__WORKER__IN_SERVE"] == "false"
    assert "OTP__WORKER__IN_SERVE" not in told(CASES["evaluation"])


def url_in_secret(manifests: list[dict[str, Any]]) -> str:
    secrets = [one["data"] for one in manifests if one["kind"] == "Secret"]
    return next((base64.b64decode(data["redis-url"]).decode() for data in secrets if "redis-url" in data), "")


def test_values_survive_the_way_into_the_settings_file() -> None:
    """YAML to TOML by way of Helm: numbers, lists and quotes."""
    toml = settings_file(rendered(example("production", config__applications__web__brand='A "b" Я')))
    settings_of = yaml.safe_load((CHART / "examples" / "production.yaml").read_text("utf-8"))["config"]
    import tomllib

    read = tomllib.loads(toml["data"]["otp-service.toml"])
    assert read["applications"]["web"] == settings_of["applications"]["web"] | {"brand": 'A "b" Я'}
    assert read["gateways"] == settings_of["gateways"]


def test_a_pod_changes_with_its_settings_and_only_then() -> None:
    def pod(values: Values, kind: str = "Deployment", name: str = "otp-otp-service") -> Any:
        return named(rendered(values), kind, name)["spec"]["template"]

    same = pod(example("evaluation"))
    assert pod(example("evaluation", replicaCount=5)) == same
    assert pod(example("evaluation", config__applications__web__region="KZ")) != same
    assert pod(example("evaluation", secret__values__OTP_SECRET="t" * 32)) != same
    locked = {"redis__bundled__passwordKey": "VALKEY", "secret__values__VALKEY": "one"}
    valkey = pod(example("evaluation", **locked), "StatefulSet", "otp-otp-service-redis")
    for changes, rolls in (
        ({"secret__values__VALKEY": "two"}, True),
        ({"secret__values__OTP_SECRET": "t" * 32}, False),
    ):
        changed = pod(example("evaluation", **locked | changes), "StatefulSet", "otp-otp-service-redis")
        assert (changed != valkey) is rolls


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
        ({"podLabels": {"app.kubernetes.io/component": "x"}}, "podLabels"),
        ({"commonLabels": {"app.kubernetes.io/instance": "x"}}, "commonLabels"),
        ({"serviceMonitor__labels": {"app.kubernetes.io/name": "x"}}, "serviceMonitor/labels"),
        ({"autoscaling": {"enabled": True, "minReplicas": 7}}, "minReplicas is above maxReplicas"),
        ({"autoscaling__enabled": True, "resources": {"requests": {"cpu": None}}}, "resources.requests.cpu is needed"),
        ({"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": 0}}, "nothing is aimed at"),
        (
            {
                "ingress": {"enabled": True, "host": "a.test"},
                "httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]},
            },
            "not both",
        ),
        ({"ingress__internal__enabled": True}, "ingress.internal.host"),
        ({"config__redis__wait_at_start_seconds": -1}, "wait_at_start_seconds"),
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
    for name in ("evaluation", "production", "openshift", "secrets-as-files"):
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


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_rules_and_dashboard_are_of_one_release(tmp_path: Path) -> None:
    """Of two releases in one Prometheus: what is gone is missed though the other runs, whose faults are not ours."""
    manifests = rendered(example("production", prometheusRule={"enabled": True, "runbookBase": "https://git.test/x/"}))
    rules = named(manifests, "PrometheusRule")["spec"]
    for rule in [rule for group in rules["groups"] for rule in group["rules"]]:
        assert rule["annotations"].pop("runbook_url") == f"https://git.test/x/docs/alerts.md#{rule['alert'].lower()}"
        mine = 'namespace="login", job=~"otp-otp-service|otp-otp-service-worker"'
        for _name, selector in re.findall(
            r"\b((?:otp|process)_[a-z_]+|up)\b(\{[^}]*\})?", re.sub(r'"otp[^"]*"', '""', rule["expr"])
        ):
            assert selector.startswith('{namespace="login", job=~""'), rule["alert"]
        assert mine in rule["expr"] or "probe_" in rule["expr"]
    for name in ("alerts.yaml", "alerts_of_weeks.yaml"):
        stories = yaml.safe_load((Path(__file__).with_name(name)).read_text("utf-8"))
        for number, story in enumerate(stories["tests"]):
            (tmp_path / f"ours-{number}-{name}").write_text(yaml.safe_dump(trial(stories, story, "login")))
            (tmp_path / f"theirs-{number}-{name}").write_text(yaml.safe_dump(trial(stories, story, "staging")))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    trials = sorted(file.name for file in tmp_path.glob("*-*.yaml"))
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", *trials]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    board = json.loads(named(manifests, "ConfigMap", "otp-otp-service-dashboard")["data"]["otp-service.json"])
    assert re.fullmatch(r"otp-[0-9a-f]{20}", board["uid"])
    assert board["title"] == "otp-service login/otp"


def trial(stories: dict[str, Any], story: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A story as it happens in a namespace. In ours what fires has labels that tell it from the same of another
    release; in another namespace nothing of ours fires, while ours works."""
    ours = namespace == "login"

    def placed(series: str) -> str:
        name, _, labels = series.rstrip("}").partition("{")
        job = "otp-otp-service-certificates" if name.startswith("probe_") else "otp-otp-service"
        kept = re.sub(r',? *job="otp(-certificates)?"', "", labels)
        own = kept if re.search(r'\bjob="', kept) else f'{kept}{", " if kept else ""}job="{job}"'
        return f'{name}{{{own}, namespace="{namespace}"}}'

    series = [one | {"series": placed(one["series"])} for one in story["input_series"]]
    if not ours:
        quiet = 'version="1", job="otp-otp-service", namespace="login"'
        series.append({"series": f"otp_build_info{{{quiet}}}", "values": "1x2000"})
    tests = []
    for one in story["alert_rule_test"]:
        fires = [] if not ours else [
            {
                **told,
                "exp_labels": told["exp_labels"]
                | {"namespace": namespace, "release": "otp"}
                | ({"job": "otp-otp-service"} if one["alertname"].startswith("OtpProcess") else {}),
            }
            for told in one["exp_alerts"]
        ]  # fmt: skip
        tests.append(one | {"exp_alerts": fires})
    return stories | {
        "rule_files": ["rules.yaml"],
        "tests": [story | {"input_series": series, "alert_rule_test": tests}],
    }
