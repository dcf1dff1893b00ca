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
from dashboard.ops.managed_process import PROJECT
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


@pytest.mark.parametrize("name", [*SITE, "emulator", "redis", "postgres"])
def test_little_may_be_done_inside(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_setting_can_be_made_in_the_env_file(
    services: dict[str, dict[str, Any]],
) -> None:
    settings = {f"{PREFIX}{field.upper()}" for field in Config.model_fields}
    # Never on in production; and always on: the site is behind a proxy that ends TLS.
    settings -= {f"{PREFIX}DEBUG", f"{PREFIX}HTTPS"}
    # Containers cannot write their own configuration.
    settings -= {f"{PREFIX}DATA_DIR"}
    # Only workers call the clouds.
    missing = {"web": {f"{PREFIX}CLOUD_PROXY"}, "worker-edits": set()}
    missing["worker-refresh"] = missing["worker-edits"]
    for name, unneeded in missing.items():
        names = services[name]["environment"]
        passed = {name.removesuffix("_FILE") for name in names}
        assert settings - passed == unneeded, name


def test_what_the_site_does_without_is_left_as_it_is(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services["web"]["environment"].items():
        if not name.endswith("_FILE"):
            monkeypatch.setenv(name, value)
    told = Config(secret_key="0123456789abcdef" * 4, redis_url="redis://redis:6379/0")
    own = {"allowed_hosts", "url", "trusted_proxies", "refresh_seconds", *SECRETS}
    for name, field in Config.model_fields.items():
        if name not in own:
            assert getattr(told, name) == field.get_default(call_default_factory=True)


def test_everything_has_its_bounds(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert int(service["mem_limit"]) <= 2 * 2**30, name
        assert service["pids_limit"] <= 512, name
        for mount in service["tmpfs"]:
            assert "size=" in mount or mount.startswith("/var/run/"), name


def test_the_stores_have_no_way_out(services: dict[str, dict[str, Any]]) -> None:
    networks = configuration()["networks"]
    assert networks["data"]["internal"] is True
    reach_out = {name for name in services if "default" in services[name]["networks"]}
    # Beat sends mail while the workers are down.
    assert reach_out == {"beat", "web", "worker-edits", "worker-refresh"}
    assert all("data" in service["networks"] for service in services.values())


def test_only_migrations_sign_in_as_the_owner(
    services: dict[str, dict[str, Any]],
) -> None:
    owners = {
        name
        for name, service in services.items()
        for secret in service.get("secrets", ())
        if secret["source"] == "owner_database_url"
    }
    assert owners == {"migrate"}


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
        _program, _file, *options = own.child.command
        wanted = dict(zip(options[::2], options[1::2], strict=True))
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
    # For people to fill in.
    assert {name for name, text in made.items() if not text} == {
        "cloud_proxy",
        "mail_url",
        "oidc_client_secret",
    }
    subprocess.run([script, folder], check=True, capture_output=True)
    assert made == {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    filled = [text for text in made.values() if text]
    assert len({*filled}) == len(filled) == 9
    assert made["postgres_password"] in made["database_url"]
    assert made["owner_password"] in made["owner_database_url"]
    assert made["redis_password"] in made["redis_url"]
    Config(
        secret_key=made["secret_key"],
        database_url=made["database_url"],
        redis_url=made["redis_url"],
    )
