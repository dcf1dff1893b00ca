"""Dockerfile and docker-compose.yml, as far as they can be judged without an engine.

That the commands work together is shown by ``test_stack.py``.
"""

import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dashboard.celery import app
from dashboard.config import PREFIX, SECRETS, Config
from dashboard.ops.broker import EmbeddedBroker
from dashboard.ops.child import PROJECT
from dashboard.ops.ports import free_port

from .compose import BIN, configuration

SITE = ["beat", "migrate", "web", "worker-edits", "worker-refresh"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = configuration()["services"]
    return found


def test_what_is_started(services: dict[str, dict[str, Any]]) -> None:
    ours = {name for name, one in services.items() if one["image"] == "curfew"}
    assert ours == {*SITE, "emulator"}
    assert {*services} - ours == {"postgres", "redis"}
    assert services["emulator"]["profiles"] == ["demo"]


@pytest.mark.parametrize("name", SITE)
def test_the_environment_is_known_and_holds_no_secret(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    environment = services[name]["environment"]
    ours = {key for key in environment if key.startswith(PREFIX)}
    possible = {f"{PREFIX}{field.upper()}_FILE" for field in SECRETS}
    files = ours & possible
    assert {f"{PREFIX}SECRET_KEY_FILE", f"{PREFIX}DATABASE_URL_FILE"} <= files
    assert ours - files <= {f"{PREFIX}{field.upper()}" for field in Config.model_fields}
    assert not ours & {name.removesuffix("_FILE") for name in possible}
    mounted = {secret["target"] for secret in services[name]["secrets"]}
    assert {environment[name] for name in files} <= mounted


@pytest.mark.parametrize("name", [*SITE, "emulator", "redis"])
def test_little_may_be_done_inside(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_everything_is_watched_and_restarted(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        if name == "migrate":
            assert service["restart"].startswith("on-failure")
            continue
        assert service["restart"] == "unless-stopped", name
        # The web server's own is the image's.
        assert name == "web" or service["healthcheck"]["test"], name
    assert "HEALTHCHECK" in DOCKERFILE


def test_nothing_starts_before_the_database_is_ready(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in SITE:
        waits = {
            on: how["condition"] for on, how in services[name]["depends_on"].items()
        }
        assert waits == (
            {"postgres": "service_healthy"}
            if name == "migrate"
            else {
                "migrate": "service_completed_successfully",
                "redis": "service_healthy",
            }
        )


def test_every_queue_has_its_worker(services: dict[str, dict[str, Any]]) -> None:
    served = []
    for name in ("worker-edits", "worker-refresh"):
        command = services[name]["command"]
        served += command[command.index("--queues") + 1].split(",")
        assert "REMAP_SIGTERM" not in services[name]["environment"], "ends its tasks"
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace >= app.conf.task_time_limit
    assert sorted(served) == sorted(app.conf.task_queues)


def test_redis_is_set_up_like_the_embedded_broker(
    services: dict[str, dict[str, Any]],
) -> None:
    script = services["redis"]["command"][-1]
    own = EmbeddedBroker(port=free_port())
    with own:
        wanted = dict(
            zip(own.child.command[1::2], own.child.command[2::2], strict=True)
        )
    for option in ("--appendonly", "--maxmemory-policy", "--save"):
        value = wanted[option] or "''"
        assert f"{option} {value}" in script, option
    assert "requirepass" in script


def test_the_site_needs_a_name() -> None:
    ended = subprocess.run(
        [BIN / "docker-compose", "config", "--quiet"],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "CURFEW_HOST" in ended.stderr


def test_the_image_has_the_python_of_the_project() -> None:
    version = (PROJECT / ".python-version").read_text().strip()
    assert set(re.findall(r"FROM python:(\d+\.\d+)", DOCKERFILE)) == {version}


def test_the_image_is_run_by_nobody_in_particular() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d+$", final, re.M)
    assert "--require-hashes" in DOCKERFILE
    assert "pip" not in final
    assert "apt-get" not in DOCKERFILE


def test_secrets_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    script = PROJECT / "deploy" / "make-secrets"
    subprocess.run([script, folder], check=True, capture_output=True)
    made = {path.name: path.read_text().strip() for path in folder.iterdir()}
    subprocess.run([script, folder], check=True, capture_output=True)
    assert made == {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len({*made.values()}) == len(made) == 6
    assert made["postgres_password"] in made["database_url"]
    assert made["redis_password"] in made["redis_url"]
    Config(
        secret_key=made["secret_key"],
        database_url=made["database_url"],
        redis_url=made["redis_url"],
    )
