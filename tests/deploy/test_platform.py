"""What a platform asks of the chart: upgrades, roll-outs that get stuck, secrets, networks, OpenShift, sizes."""

from __future__ import annotations

import base64
import collections.abc
import hashlib
import re
import shutil
import tarfile
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from otp_service.domain.secret import Secret, Secrets
from otp_service.gateways import registry
from otp_service.settings.applications import Application
from otp_service.settings.values import SECTIONS
from tests.deploy.charts import CHART, ROOT, Values, example, labels_of_pods, named, pods, rendered, settings_file
from tests.deploy.test_monitoring import samples

pytestmark = pytest.mark.slow
helm = pytest.importorskip("helm_python", reason="the group `chart` is not installed: make chart-test")
RELEASED = ROOT / "tests" / "releases" / "otp-service-chart-0.1.0.tgz"
NAME = "otp-otp-service"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the last release."""
    known = (RELEASED.with_name("SHA256SUMS")).read_text("utf-8").split()
    assert hashlib.sha256(RELEASED.read_bytes()).hexdigest() == known[known.index(RELEASED.name) - 1]
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(RELEASED) as packed:
        packed.extractall(folder, filter="data")
    return folder / "otp-service"


def examples_of(chart: Path) -> Iterator[Values]:
    for file in sorted((chart / "examples").iterdir()):
        yield yaml.safe_load(file.read_text("utf-8"))


# Upgrades


UNCHANGEABLE = {
    "Deployment": lambda spec: spec["selector"],
    "StatefulSet": lambda spec: (spec["selector"], spec["serviceName"], spec["volumeClaimTemplates"]),
    "Service": lambda spec: (spec["selector"], spec.get("clusterIP"), [port["name"] for port in spec["ports"]]),
    "PodDisruptionBudget": lambda spec: spec["selector"],
}


def test_an_upgrade_from_the_last_release_changes_no_selector(released: Path) -> None:
    """Kubernetes refuses a changed selector, and a Service whose selector changes loses its pods."""
    seen = set()
    for values in examples_of(released):
        before, after = rendered(values, chart=released), rendered(values, upgrade=True)
        for old in before:
            if take := UNCHANGEABLE.get(old["kind"]):
                new = named(after, old["kind"], old["metadata"]["name"])
                assert take(new["spec"]) == take(old["spec"]), old["metadata"]["name"]
                seen.add(old["kind"])
        versioned = {"app.kubernetes.io/version", "helm.sh/chart"}
        for labels in labels_of_pods(before):
            stay = {name: value for name, value in labels.items() if name not in versioned}
            assert any(stay.items() <= new.items() for new in labels_of_pods(after))
    assert seen == set(UNCHANGEABLE)


def test_an_upgrade_from_the_last_release_loses_no_value(released: Path) -> None:
    """Every value that could be set can be set, with the same meaning where nobody sets it; nothing disappears."""
    old, new = (yaml.safe_load((chart / "values.yaml").read_text("utf-8")) for chart in (released, CHART))
    changed = {"networkPolicy.redis.ports": [6379, 6380, 26379], "networkPolicy.gateways.ports": [80, 443, 8443]}
    for path, value in leaves(old):
        found: Any = new
        for key in path.split("."):
            found = found[key]
        assert found == changed.get(path, value), path
    for values in examples_of(released):
        with_defaults = rendered(values, chart=released)
        kept = {(one["kind"], one["metadata"]["name"]) for one in rendered(values, upgrade=True)}
        gone = {(one["kind"], one["metadata"]["name"]) for one in with_defaults} - kept
        assert gone == {("ConfigMap", NAME)}, "it has its content's name now"
        before, after = (by_name(manifests) for manifests in (with_defaults, rendered(values, upgrade=True)))
        assert before.items() <= after.items()


def test_the_defaults_of_the_last_release_are_refused_with_what_to_do(released: Path, tmp_path: Path) -> None:
    """`--reuse-values` renders the new chart with the old one's defaults."""
    shutil.copytree(CHART, tmp_path / "otp-service")
    shutil.copy(released / "values.yaml", tmp_path / "otp-service")
    for values in examples_of(released):
        with pytest.raises(helm.HelmError, match="--reset-then-reuse-values"):
            rendered(values, upgrade=True, chart=tmp_path / "otp-service")


def leaves(table: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def by_name(manifests: list[dict[str, Any]]) -> dict[str, str]:
    """What the servers are told: the environment, and each secret."""
    (told,) = [
        {item["name"]: str(item.get("value") or item["valueFrom"]) for item in pod["containers"][0]["env"]}
        for component, pod in pods(manifests).items()
        if component == "server"
    ]
    for secret in [one for one in manifests if one["kind"] == "Secret" and "annotations" not in one["metadata"]]:
        clear = {name: base64.b64decode(text).decode() for name, text in secret.get("data", {}).items()}
        told |= clear | secret.get("stringData", {})
    return told


def test_what_is_rendered_twice_is_the_same() -> None:
    """Argo and Flux compare: a value drawn anew each time, or an order that changes, would never be in step."""
    for name in ("evaluation", "production", "openshift", "secrets-as-files"):
        assert rendered(example(name)) == rendered(example(name))
        first, upgraded = (rendered(example(name), upgrade=upgrade) for upgrade in (False, True))
        extra = [one for one in upgraded if one not in first]
        assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in extra} == {"pre-upgrade"}
        assert all(one in upgraded for one in first)


# Roll-outs


def test_old_pods_keep_their_settings_while_new_ones_start() -> None:
    """A file of its own name for each content, which no upgrade deletes and a rollback finds or makes again."""
    before = rendered(example("production"))
    after = rendered(example("production", config__applications__web__region="KZ"), upgrade=True)
    names = [settings_file(manifests)["metadata"]["name"] for manifests in (before, after)]
    assert names[0] != names[1]
    for manifests, name in zip((before, after), names, strict=True):
        for component, pod in pods(manifests).items():
            mounted = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
            assert mounted == [name], component
        file = settings_file(manifests)
        assert file["immutable"] is True
        # Of the release itself it would be deleted with the first upgrade; with `resource-policy: keep` a rollback
        # to it fails (helm/helm#8228).
        assert file["metadata"]["annotations"] == {
            "helm.sh/hook": "pre-install,pre-upgrade,pre-rollback",
            "helm.sh/hook-weight": "-10",
            "helm.sh/hook-delete-policy": "before-hook-creation",
        }


@pytest.mark.parametrize("name", ["evaluation", "production", "secrets-as-files"])
def test_the_new_versions_doctor_looks_before_an_upgrade(name: str) -> None:
    """With the new settings and the new secrets, which the release does not have yet."""
    values = example(name, image={"tag": "9.9.9"})
    if name == "secrets-as-files":
        values["redis"] = {"url": "rediss://elsewhere:6380"}
    assert not [one for one in rendered(values) if one["kind"] == "Job"], "nothing is there to be looked at"
    manifests = rendered(values, upgrade=True)
    job = named(manifests, "Job", f"{NAME}-upgrade")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["args"]) == ("otp-service:9.9.9", ["doctor"])
    assert pod["restartPolicy"] == "Never"
    named_there = set(
        re.findall(r"'secretRef': {'name': '([^']+)'|'name': '([^']+)', 'key': 'redis-url'", str(container))
    )
    hooks = {one["metadata"]["name"]: one["metadata"]["annotations"] for one in manifests
             if one["kind"] == "Secret" and "annotations" in one["metadata"]}  # fmt: skip
    of_the_chart = {secret for pair in named_there for secret in pair if secret.startswith(NAME)}
    assert of_the_chart == set(hooks)
    for notes in hooks.values():
        assert notes["helm.sh/hook"] == "pre-upgrade"
        assert int(notes["helm.sh/hook-weight"]) < 0
        assert "hook-succeeded" in notes["helm.sh/hook-delete-policy"]
    for hook in hooks:
        ours = named(manifests, "Secret", hook.removesuffix("-upgrade"))
        assert named(manifests, "Secret", hook)["data"] == ours["data"]
    assert not [
        one for one in rendered(values | {"upgradeCheck": {"enabled": False}}, upgrade=True) if one["kind"] == "Job"
    ]


# Secrets


def test_a_key_taken_out_of_the_secret_is_gone() -> None:
    """stringData is merged into what is there: the key would stay, as an empty string."""
    secret = named(rendered(example("evaluation", secret__values__ONE="ключ", secret__values__TWO="x")), "Secret")
    assert "stringData" not in secret
    assert base64.b64decode(secret["data"]["ONE"]).decode() == "ключ"
    assert "TWO" not in named(rendered(example("evaluation", secret__values__ONE="1")), "Secret")["data"]


def test_secrets_can_be_files_alone() -> None:
    manifests = rendered(example("secrets-as-files"), upgrade=True)
    assert not [one for one in manifests if one["kind"] == "Secret"]
    assert "secretKeyRef" not in str(manifests)
    for pod in pods(manifests).values():
        (container,) = pod["containers"]
        assert "envFrom" not in container
        assert {"name": "OTP__REDIS__URL", "value": "file:/mnt/secrets/redis-url"} in container["env"]
        assert "/mnt/secrets" in [mount["mountPath"] for mount in container["volumeMounts"]]
        assert "csi" in str(pod["volumes"])


def secret_settings() -> Iterator[tuple[str, Any]]:
    """Where a secret may stand under `config`, and whether as a list: of every section, application and kind."""
    for name, kind in SECTIONS.items():
        yield from _secrets_below(kind, name)
    yield from _secrets_below(Application, "applications.web")
    for kind, (config, _) in registry.KINDS.items():
        yield from _secrets_below(config, f"gateways.{kind}")


def _secrets_below(kind: type, path: str) -> Iterator[tuple[str, Any]]:
    for name, hint in typing.get_type_hints(kind).items():
        members = [hint, *typing.get_args(hint)]
        if typing.get_origin(hint) is collections.abc.Mapping and Secret in members:
            yield f"{path}.{name}.any", False
        elif Secret in members or Secrets in members:
            yield f"{path}.{name}", Secrets in members
        for member in members:
            if isinstance(member, type) and issubclass(member, msgspec.Struct):
                yield from _secrets_below(member, f"{path}.{name}" + (".0" if typing.get_origin(hint) is tuple else ""))


def test_no_secret_of_the_settings_is_taken_in_clear() -> None:
    """`login` is a name, and may be."""
    paths = {path: several for path, several in secret_settings() if not path.endswith(".login")}
    assert {"service.secret", "applications.web.webhooks.0.secret", "applications.web.hooks.supabase.secret"} <= set(
        paths
    )
    assert len(paths) > 10
    for path, several in paths.items():
        for value, fits in (
            ("in clear", False),
            ("env:X", True),
            ("file:/x", True),
            (["in clear"], False),
            (["env:X"], several),
        ):
            values = example("evaluation")
            put(values["config"], path.split("."), value)
            if fits:
                rendered(values)
            elif value != ["env:X"]:
                with pytest.raises(helm.HelmError, match=r"does not match pattern|got array") as refused:
                    rendered(values)
                assert path.rsplit(".", 1)[-1] in str(refused.value), path


def put(table: Any, path: list[str], value: Any) -> None:
    first, *rest = path
    if not rest:
        table[first] = value
        return
    if rest[0] == "0":
        table[first] = [{}]
        put(table[first][0], rest[1:], value)
    else:
        put(table.setdefault(first, {}), rest, value)


# The network


def egress(values: Values, component: str = "server") -> list[dict[str, Any]]:
    rules = named(rendered(values), "NetworkPolicy", f"{NAME}-{component}")["spec"]["egress"]
    return rules if isinstance(rules, list) else []


def ports(rules: list[dict[str, Any]]) -> list[set[int]]:
    return [{port["port"] for port in rule["ports"]} for rule in rules]


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://a", set()),
        ("rediss://user:pass:7001@redis.test:6390/1", {6390}),
        ("redis+sentinel://:p@a:26379,b:26380/0?service=otp&sentinel_password=x:99", {26379, 26380}),
        ("redis+cluster://[fd00::1]:7000,[fd00::2]:7001", {7000, 7001}),
        ("redis://[fd00::6379:1]/0", set()),
    ],
)
def test_the_policy_lets_it_reach_the_redis_of_the_url(url: str, wanted: set[int]) -> None:
    values = example("evaluation", redis={"url": url}, networkPolicy={"enabled": True})
    assert ports(egress(values))[1] == {6379, 6380, 26379} | wanted


def test_the_policy_lets_it_reach_what_it_needs() -> None:
    values = example("production", config__tracing={"endpoint": "https://tempo.obs.svc:4318/v1/traces"})
    for component in ("server", "worker", "test"):
        dns, _, gateways, tracing = egress(values, component)
        assert ports([dns]) == [{53, 5353}]
        assert ports([gateways]) == [{80, 443, 8443}], "receivers of webhooks as well"
        assert {to["ipBlock"]["cidr"] for to in gateways["to"]} == {"0.0.0.0/0", "::/0"}
        assert all(to["ipBlock"]["except"] for to in gateways["to"])
        assert tracing == {"ports": [{"port": 4318}]}
    for endpoint, port in (
        ("https://a.test/v1/traces", 443),
        ("http://[fd00::1]/v1/traces", 80),
        ("http://[fd00::1]:4318/x", 4318),
    ):
        assert egress(example("production", config__tracing={"endpoint": endpoint}))[3]["ports"] == [{"port": port}]


def test_the_policy_lets_it_reach_the_gateways_of_the_settings() -> None:
    addresses = {
        "mail": "smtp://mail.test",
        "own": "smtps://mail.test:2465",
        "far": "https://[2a00::1]:9443/api",
        "kept": "env:ADDRESS",
    }
    tables = {name: {"kind": "http", "base_url": address} for name, address in addresses.items()}
    values = example("production", config__gateways=tables, networkPolicy__gateways__ports=[443])
    assert ports([egress(values)[2]]) == [{443, 587, 2465, 9443}]


def test_the_root_secret_may_come_by_variables_of_ones_own() -> None:
    for source in (
        {"extraEnvFrom": [{"secretRef": {"name": "mine"}}]},
        {"extraEnv": [{"name": "OTP_SECRET", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "root"}}}]},
    ):
        assert pods(rendered(example("evaluation", secret={}, **source)))


def test_callers_in_the_cluster_are_admitted_by_a_label() -> None:
    policy = named(rendered(example("production")), "NetworkPolicy", f"{NAME}-server")["spec"]
    assert {"namespaceSelector": {}, "podSelector": {"matchLabels": {f"{NAME}-client": "true"}}} in policy["ingress"][
        0
    ]["from"]
    doctor = named(rendered(example("production")), "NetworkPolicy", f"{NAME}-test")["spec"]
    assert (doctor["policyTypes"], "ingress" in doctor) == (["Ingress", "Egress"], False)


def test_the_production_example_keeps_the_api_from_the_world() -> None:
    manifests = rendered(example("production"))
    public, internal = (named(manifests, "Ingress", f"{NAME}{suffix}")["spec"] for suffix in ("", "-internal"))

    def paths(ingress: dict[str, Any]) -> list[str]:
        return [path["path"] for rule in ingress["rules"] for path in rule["http"]["paths"]]

    assert paths(public) == ["/callbacks/"]
    assert paths(internal) == ["/v1/"]
    assert public["ingressClassName"] != internal["ingressClassName"]
    assert named(manifests, "Ingress", f"{NAME}-internal")["metadata"]["annotations"], "an allow-list besides"
    assert named(manifests, "Service")["spec"]["type"] == "ClusterIP"


# OpenShift, and everybody's own wishes


@pytest.mark.parametrize("upgrade", [False, True])
def test_on_openshift_nothing_asks_for_an_id(upgrade: bool) -> None:
    """restricted-v2 gives each namespace ids of its own, and refuses pods that name others."""
    manifests = rendered(example("openshift"), upgrade=upgrade)
    assert not re.search(r"'(runAsUser|runAsGroup|fsGroup|supplementalGroups|seLinuxOptions)'", str(manifests))
    for pod in pods(manifests).values():
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    bare = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    bundled = example("evaluation", podSecurityContext=bare, redis__bundled__podSecurityContext=bare)
    assert "runAsUser" not in str(rendered(bundled))


def test_every_pod_may_run_where_the_release_may() -> None:
    """Servers, workers, both doctors and the bundled Valkey."""
    wishes = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
    }
    labels = {"commonLabels": {"team": "login", "cost": "7"}, "podLabels": {"team": "platform"}}
    values = example("evaluation", **wishes, **labels, worker={"enabled": True})
    for upgrade in (False, True):
        manifests = rendered(values, upgrade=upgrade)
        assert set(pods(manifests)) == {"server", "worker", "redis", "test"}
        for component, pod in pods(manifests).items():
            assert {key: pod[key] for key in wishes} == wishes, component
        for found in labels_of_pods(manifests):
            assert found.items() >= {"team": "platform", "cost": "7", "app.kubernetes.io/instance": "otp"}.items()
    for manifest in rendered(values, upgrade=True):
        assert manifest["metadata"]["labels"]["cost"] == "7", manifest["kind"]


def test_init_containers_and_variables_reach_the_doctor_too() -> None:
    wishes = {"initContainers": [{"name": "fetch", "image": "x"}], "extraEnvFrom": [{"secretRef": {"name": "more"}}]}
    values = example(
        "production", **wishes, extraContainers=[{"name": "beside", "image": "x"}], lifecycle={"preStop": {}}
    )
    for component, pod in pods(rendered(values, upgrade=True)).items():
        assert pod["initContainers"] == wishes["initContainers"], component
        assert pod["containers"][0]["envFrom"][-1] == wishes["extraEnvFrom"][0]
        beside = [container["name"] for container in pod["containers"][1:]]
        assert beside == ([] if component == "test" else ["beside"])
        assert ("lifecycle" in pod["containers"][0]) is (component != "test")


def test_a_drain_passes_pods_that_serve_nobody() -> None:
    manifests = rendered(example("production"))
    budgets = [one for one in manifests if one["kind"] == "PodDisruptionBudget"]
    assert {one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for one in budgets} == {
        "server",
        "worker",
    }
    assert {one["spec"]["unhealthyPodEvictionPolicy"] for one in budgets} == {"AlwaysAllow"}


def test_scaling_asks_for_a_metric_that_there_is() -> None:
    text = (CHART / "examples" / "scale-on-hash-pool.yaml").read_text("utf-8")
    (query,) = re.findall(r"metricsQuery: '(.*)'", text)
    (asked,) = re.findall(r"rate\((\w+)\{", query)
    assert asked in samples()
    (name,) = re.findall(r"name: \{as: (\w+)\}", text)
    (metric,) = yaml.safe_load(text)["autoscaling"]["metrics"]
    assert metric["pods"]["metric"]["name"] == name
    scaler = named(rendered(example("production") | example("scale-on-hash-pool")), "HorizontalPodAutoscaler")
    assert scaler["spec"]["metrics"] == [metric]
