"""deploy/kubernetes, as far as it can be judged without a cluster.

The commands are those of docker-compose.yml, which ``test_stack.py`` runs.
"""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.test import Client

from dashboard.celery import app
from dashboard.config import PREFIX, SECRETS, Config
from dashboard.ops.managed_process import PROJECT
from dashboard.system.production import unsafe_settings

from .compose import BIN, configuration

SITE = ["beat", "migrate", "web", "worker-edits", "worker-refresh"]
IN_PAIRS = ["web", "worker-edits"]
VERSIONS = list(dict.fromkeys(kubernetes_validate.utils.all_versions()))[-3:]
"""The three minor releases that Kubernetes maintains at a time, when it was pinned."""

Documents = dict[tuple[str, str], dict[str, Any]]


def build(folder: Path) -> list[dict[str, Any]]:
    built = subprocess.run(
        [BIN / "kubectl", "kustomize", folder],
        check=True,
        capture_output=True,
        text=True,
    )
    assert built.stderr == ""  # warnings of what is deprecated
    return list(yaml.safe_load_all(built.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of a site with secrets, prepared as docs/operations.md says."""
    copy = tmp_path_factory.mktemp("kubernetes") / "deploy"
    shutil.copytree(PROJECT / "deploy", copy)
    site = copy / "kubernetes" / "site"
    subprocess.run(
        [copy / "make-secrets", site / "secrets"], check=True, capture_output=True
    )
    shutil.copy(copy / "demo-clouds.yaml", site / "secrets" / "clouds.yaml")
    return site


@pytest.fixture(scope="module")
def documents(folder: Path) -> Documents:
    return {(one["kind"], one["metadata"]["name"]): one for one in build(folder)}


@pytest.fixture(scope="module")
def pods(documents: Documents) -> dict[str, dict[str, Any]]:
    """By workload: what its pods are."""
    return {
        name: one["spec"]["template"]
        for (_, name), one in documents.items()
        if "template" in one.get("spec", {})
    }


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = configuration()["services"]
    return found


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def data(documents: Documents, kind: str, prefix: str) -> tuple[str, dict[str, str]]:
    """The generated object whose name begins so: its name and what it holds."""
    [(name, one)] = [
        (name, one)
        for (of_kind, name), one in documents.items()
        if of_kind == kind and name.startswith(f"{prefix}-")
    ]
    return name, one["data"]


def environment(documents: Documents, container: dict[str, Any]) -> dict[str, str]:
    (source,) = container["envFrom"]
    name, settings = data(documents, "ConfigMap", "settings")
    assert source["configMapRef"]["name"] == name
    own = {each["name"]: each["value"] for each in container.get("env", ())}
    return settings | own


def files(
    documents: Documents, pod: dict[str, Any], container: dict[str, Any]
) -> dict[str, str]:
    """By path: the secrets that the container finds."""
    found: dict[str, str] = {}
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        secret = volumes.get(mount["name"], {}).get("secret")
        if secret:
            assert mount["readOnly"] is True
            held = documents["Secret", secret["secretName"]]["data"]
            found |= {
                f"{mount['mountPath']}/{key}": base64.b64decode(text).decode()
                for key, text in held.items()
            }
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_fits_the_schemas(documents: Documents, version: str) -> None:
    kinds = set()
    for one in documents.values():
        kubernetes_validate.validate(one, version, strict=True)
        kinds.add(one["kind"])
    assert {"Deployment", "Job", "PodDisruptionBudget", "Service", "Ingress"} <= kinds


def test_the_schemas_would_tell_of_a_slip(documents: Documents) -> None:
    web = yaml.safe_load(yaml.safe_dump(documents["Deployment", "web"]))
    web["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(web, VERSIONS[-1], strict=True)


def test_what_is_started(pods: dict[str, dict[str, Any]], documents: Documents) -> None:
    assert sorted(pods) == sorted([*SITE, "redis"])
    namespaces = {
        one["metadata"].get("namespace")
        for one in documents.values()
        if one["kind"] != "Namespace"
    }
    assert namespaces == {"curfew"}


@pytest.mark.parametrize("name", SITE)
def test_the_commands_are_those_of_compose(
    pods: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]], name: str
) -> None:
    (container,) = pods[name]["spec"]["containers"]
    assert container["command"] == services[name]["command"]
    assert container["image"] == "registry.example.org/curfew:0.1.0"


def test_redis_is_started_as_by_compose(
    pods: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]]
) -> None:
    (container,) = pods["redis"]["spec"]["containers"]
    assert container["image"] == services["redis"]["image"]
    script = container["command"][-1].replace("/run/secrets/redis/", "/run/secrets/")
    assert script.split() == services["redis"]["command"][-1].split()


@pytest.mark.parametrize("name", SITE)
def test_the_settings_are_accepted_in_production(
    documents: Documents,
    pods: dict[str, dict[str, Any]],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for field in Config.model_fields:
        for end in ("", "_FILE"):
            monkeypatch.delenv(f"{PREFIX}{field.upper()}{end}", raising=False)
    for container in containers(pods[name]):
        held = files(documents, pods[name], container)
        for variable, value in environment(documents, container).items():
            if variable.endswith("_FILE") and variable.startswith(PREFIX):
                # Each file that is named is there.
                path = tmp_path / value.strip("/").replace("/", "-")
                path.write_text(held[value])
                value = str(path)
            monkeypatch.setenv(variable, value)
        config = Config.from_environment()
        assert not list(unsafe_settings(config, host="0.0.0.0"))  # noqa: S104
        assert config.url == "https://curfew.example.org"
        owner = "curfew_owner" in config.database_url
        assert owner == (name == "migrate")


def test_no_secret_is_in_the_environment(
    documents: Documents, pods: dict[str, dict[str, Any]]
) -> None:
    secret = {f"{PREFIX}{field.upper()}" for field in SECRETS}
    settings = {f"{PREFIX}{field.upper()}" for field in Config.model_fields}
    for name in SITE:
        for container in containers(pods[name]):
            ours = {
                variable
                for variable in environment(documents, container)
                if variable.startswith(PREFIX)
            }
            assert not ours & secret
            assert ours <= settings | {f"{variable}_FILE" for variable in secret}


def test_each_process_has_the_secrets_of_compose(
    documents: Documents,
    pods: dict[str, dict[str, Any]],
    services: dict[str, dict[str, Any]],
) -> None:
    for name in SITE:
        (container,) = pods[name]["spec"]["containers"]
        found = {Path(path).name for path in files(documents, pods[name], container)}
        wanted = {Path(secret["target"]).name for secret in services[name]["secrets"]}
        # The migration finds the other address, too, and does not read it.
        extra = {"database_url"} if name == "migrate" else set()
        assert found == wanted | extra, name


def test_little_may_be_done_inside(pods: dict[str, dict[str, Any]]) -> None:
    for name, pod in pods.items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for container in containers(pod):
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"] is True, name
            assert locked["allowPrivilegeEscalation"] is False, name
            assert locked["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


def test_probes_get_the_answer_that_they_wait_for(
    pods: dict[str, dict[str, Any]], client: Client
) -> None:
    (web,) = pods["web"]["spec"]["containers"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = web[kind]["httpGet"]
        headers = {each["name"]: each["value"] for each in asked["httpHeaders"]}
        assert client.get(asked["path"], headers=headers).status_code == 200
        assert asked["port"] in {port["name"] for port in web["ports"]}
    for name in ("worker-edits", "worker-refresh", "beat"):
        (container,) = pods[name]["spec"]["containers"]
        assert container["readinessProbe"]["exec"]["command"], name


def test_a_ping_goes_to_the_pod_s_own_worker(
    pods: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]]
) -> None:
    for name in ("worker-edits", "worker-refresh"):
        (container,) = pods[name]["spec"]["containers"]
        probe = container["readinessProbe"]["exec"]["command"]
        assert probe[-1] == services[name]["healthcheck"]["test"][-1]


def test_two_of_a_kind_are_never_both_taken_away(documents: Documents) -> None:
    budgets = {name for kind, name in documents if kind == "PodDisruptionBudget"}
    assert budgets == set(IN_PAIRS)
    for name in IN_PAIRS:
        budget = documents["PodDisruptionBudget", name]["spec"]
        workload = documents["Deployment", name]["spec"]
        assert workload["replicas"] > budget["minAvailable"] > 0
        assert selects(budget["selector"], workload["template"])


def test_there_is_never_a_second_beat(documents: Documents) -> None:
    beat = documents["Deployment", "beat"]["spec"]
    assert beat["replicas"] == 1
    assert beat["strategy"] == {"type": "Recreate"}


def test_everybody_has_the_time_to_end(
    pods: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]]
) -> None:
    for name in SITE:
        if name == "migrate":
            continue
        grace = pods[name]["spec"]["terminationGracePeriodSeconds"]
        by_compose = services[name].get("stop_grace_period", "10s")
        assert grace >= int(by_compose.removesuffix("s")), name
    assert pods["worker-edits"]["spec"]["terminationGracePeriodSeconds"] > (
        app.conf.task_time_limit
    )


def test_nothing_starts_before_the_migration(pods: dict[str, dict[str, Any]]) -> None:
    for name in set(SITE) - {"migrate"}:
        (waits,) = pods[name]["spec"]["initContainers"]
        assert waits["command"] == ["python", "manage.py", "migrate", "--check"]


def test_requests_reach_the_web_server_alone(
    documents: Documents, pods: dict[str, dict[str, Any]]
) -> None:
    service = documents["Service", "web"]["spec"]
    selector = {"matchLabels": service["selector"]}
    assert [name for name, pod in pods.items() if selects(selector, pod)] == ["web"]
    (rule,) = documents["Ingress", "web"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == "web"
    assert backend["port"]["name"] == service["ports"][0]["name"]
    _, settings = data(documents, "ConfigMap", "settings")
    assert rule["host"] in settings["CURFEW_ALLOWED_HOSTS"].split(",")


def test_only_curfew_asks_redis(
    documents: Documents, pods: dict[str, dict[str, Any]]
) -> None:
    policy = documents["NetworkPolicy", "redis"]["spec"]
    assert [n for n, pod in pods.items() if selects(policy["podSelector"], pod)] == [
        "redis"
    ]
    (source,) = policy["ingress"][0]["from"]
    asks = [name for name, pod in pods.items() if selects(source["podSelector"], pod)]
    assert sorted(asks) == SITE


def test_without_the_redis_of_ours_the_rest_is_the_same(folder: Path) -> None:
    text = (folder / "kustomization.yaml").read_text()
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    assert "components:\n  - ../redis\n" in text
    (other / "kustomization.yaml").write_text(
        text.replace("components:\n  - ../redis\n", "")
    )
    names = {one["metadata"]["name"] for one in build(other)}
    assert "redis" not in names
    assert set(SITE) <= names


def selects(selector: dict[str, Any], pod: dict[str, Any]) -> bool:
    wanted = selector["matchLabels"].items()
    return bool(wanted <= pod["metadata"]["labels"].items())
