"""A cloud that is entered in the form: tested, then written to files."""

import json
import logging
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from django.apps import apps
from django.core import serializers
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.emulator import Emulator
from dashboard.modelarts.clouds import load_cloud_of
from dashboard.setup import known_clouds, new_cloud
from dashboard.web.redis_clients import quick_redis

from .conftest import work_off

NEW = reverse("setup:new")
TEST = reverse("setup:test")
CHANGES = reverse("setup:test_changes")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _admin_signed_in(client: Client, admin: User) -> None:
    client.force_login(admin)


@pytest.fixture
def emulator() -> Any:
    with Emulator(fleet=7, seed=1) as emulator:
        yield emulator


def by_password(emulator: Emulator) -> dict[str, str]:
    auth = yaml.safe_load(emulator.clouds_yaml("x"))["clouds"]["x"]["auth"]
    return {
        "name": "lab",
        "auth_url": auth["auth_url"],
        "region_name": "eu-de",
        "project_name": auth.get("project_name", ""),
        "project_id": auth.get("project_id", ""),
        "method": "password",
        "username": auth["username"],
        "user_domain_name": auth["user_domain_name"],
        "password": auth["password"],
    }


def by_key(emulator: Emulator) -> dict[str, str]:
    entry = yaml.safe_load(emulator.clouds_yaml("x", signed=True))["clouds"]["x"]
    auth = entry.get("auth", {})
    return {
        "name": "signed",
        "auth_url": emulator.url + "/v3",
        "method": "key",
        "project_id": emulator.project_id,
        "ak": entry.get("ak") or auth["ak"],
        "sk": entry.get("sk") or auth["sk"],
        "endpoint": emulator.modelarts_url,
    }


@pytest.mark.parametrize("make", [by_password, by_key])
def test_a_cloud_that_works_is_written_to_private_files(
    client: Client,
    admin: User,
    emulator: Emulator,
    data_dir: Path,
    queue: list[Any],
    make: Any,
) -> None:
    values = make(emulator)
    response = client.post(NEW, values)
    assert (response.status_code, response.headers["Location"]) == (303, TEST)
    assert "Signing in to the cloud." in client.get(TEST).text
    assert client.get(CHANGES).status_code == 204
    assert not (data_dir / "clouds.yaml").exists(), "not before it was tested"
    work_off(queue)
    assert client.get(CHANGES).headers["HX-Redirect"] == TEST
    assert client.get(TEST).headers["Location"] == reverse("setup:ready")
    assert values["name"] in client.get(reverse("setup:ready")).text
    for name in ("clouds.yaml", "secure.yaml"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
    open_text = (data_dir / "clouds.yaml").read_text()
    for secret in new_cloud_secrets(values):
        assert secret not in open_text
        assert secret in (data_dir / "secure.yaml").read_text()
    assert load_cloud_of(data_dir, values["name"]).auth
    event = AuditEvent.objects.get(action="setup.cloud_added")
    assert (event.actor_id, event.after) == (admin.pk, {"cloud": values["name"]})
    assert sorted(path.name for path in data_dir.iterdir()) == [
        "clouds.yaml",
        "secure.yaml",
        "setup.lock",
    ]


def new_cloud_secrets(values: dict[str, str]) -> list[str]:
    return [values[name] for name in ("password", "ak", "sk") if values.get(name)]


def test_a_cloud_that_fails_is_not_written(
    client: Client, emulator: Emulator, data_dir: Path, queue: list[Any]
) -> None:
    values = by_password(emulator) | {"password": "CANARY-wrong"}
    client.post(NEW, values)
    work_off(queue)
    fragment = client.get(CHANGES).text
    assert "refuses the sign-in" in fragment
    assert "The cloud was not saved." in client.get(TEST).text
    assert not [path.name for path in data_dir.iterdir() if path.suffix == ".yaml"]
    assert not list(data_dir.glob("new-cloud-*")), "nor do the credentials stay"
    form = client.get(NEW).text
    assert values["username"] in form
    assert values["auth_url"] in form
    assert "CANARY" not in form


def test_an_address_where_nobody_listens(
    client: Client, emulator: Emulator, queue: list[Any]
) -> None:
    values = by_password(emulator)
    emulator.stop()
    client.post(NEW, values)
    work_off(queue)
    assert "refuses the connection" in client.get(TEST).text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "a,b"}, "comma"),
        ({"password": ""}, "This field is required."),
        ({"user_domain_name": ""}, "This field is required."),
        ({"project_name": "", "project_id": ""}, "Enter the project"),
        ({"auth_url": "ftp://iam.example.org"}, "auth_url must begin with https://"),
        ({"auth_url": "http://iam.example.org/v3"}, "credentials could be read"),
        ({"method": "key", "ak": "x"}, "This field is required."),
        ({"method": "card"}, "Select a valid choice"),
    ],
)
def test_an_incomplete_form_is_not_tested(
    client: Client,
    emulator: Emulator,
    data_dir: Path,
    queue: list[Any],
    changes: dict[str, str],
    sentence: str,
) -> None:
    values = by_password(emulator) | changes
    response = client.post(NEW, values)
    assert response.status_code == 422
    assert sentence in response.text
    if values["password"]:
        assert values["password"] not in response.text
    assert not queue
    assert not list(data_dir.iterdir())


def test_a_second_cloud_joins_the_first(
    client: Client, emulator: Emulator, data_dir: Path, queue: list[Any]
) -> None:
    client.post(NEW, by_password(emulator))
    work_off(queue)
    known_clouds.save_choice(["lab"])
    assert client.post(NEW, by_password(emulator)).status_code == 422, "name taken"
    client.post(NEW, by_key(emulator))
    work_off(queue)
    assert known_clouds.known_clouds().names == ["lab", "signed"]
    assert known_clouds.saved_choice() == ["lab", "signed"]
    assert load_cloud_of(data_dir, "lab").auth
    assert load_cloud_of(data_dir, "signed").auth


def test_no_form_beside_a_file_of_ones_own(
    client: Client, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(emulator.clouds_yaml("own"))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    assert client.get(NEW).status_code == 404
    assert client.post(NEW, by_password(emulator)).status_code == 404


def test_a_test_that_no_worker_runs_leaves_no_credentials(
    client: Client, emulator: Emulator, data_dir: Path, queue: list[Any]
) -> None:
    client.post(NEW, by_password(emulator))
    assert list(data_dir.glob("new-cloud-*"))
    with time_machine.travel(timezone.now() + timedelta(seconds=70)):
        assert "No worker has answered." in client.get(TEST).text
    assert not list(data_dir.glob("new-cloud-*"))
    work_off(queue)
    assert "enter the cloud again" in client.get(TEST).text.lower()
    assert not (data_dir / "clouds.yaml").exists()


def test_a_forgotten_test_is_removed_with_the_next(
    client: Client, emulator: Emulator, data_dir: Path, queue: list[Any]
) -> None:
    client.post(NEW, by_password(emulator))
    (old,) = data_dir.glob("new-cloud-*")
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        client.force_login(User.objects.get())
        client.post(NEW, by_password(emulator))
    assert not old.exists()


def test_a_message_that_comes_twice_changes_nothing(
    client: Client, emulator: Emulator, queue: list[Any]
) -> None:
    client.post(NEW, by_password(emulator))
    (message,) = queue
    work_off(queue)
    queue.append(message)
    work_off(queue)
    assert client.get(TEST).headers["Location"] == reverse("setup:ready")
    assert AuditEvent.objects.filter(action="setup.cloud_added").count() == 1


def test_a_broken_file_of_a_test_is_no_path_out() -> None:
    for test_id in ("../x", "", "a/b/c/d/e/f/g", "x" * 65):
        with pytest.raises(ValueError, match="not the ID"):
            new_cloud.remove_files(test_id)


@pytest.mark.parametrize("works", [True, False])
def test_credentials_are_in_the_secure_file_alone(
    client: Client,
    emulator: Emulator,
    data_dir: Path,
    queue: list[Any],
    caplog: pytest.LogCaptureFixture,
    works: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    values = by_password(emulator)
    secret = values["password"] if works else "CANARY-wrong-password"
    pages = [client.post(NEW, values | {"password": secret}).text]
    assert secret not in repr(queue), "the message to the worker"
    work_off(queue)
    pages += [client.get(path).text for path in (TEST, CHANGES, NEW)]
    pages += [client.get(path).text for path in ("/audit/", "/setup/clouds/")]
    assert secret not in "".join(pages)
    assert secret not in caplog.text
    rows = [
        serializers.serialize("json", model._base_manager.all()) for model in models()
    ]
    assert secret not in "".join(rows)
    assert secret not in json.dumps(dict(client.session))
    assert secret not in everything_in_redis()
    found = [path.name for path in files(data_dir) if secret in path.read_text()]
    assert found == (["secure.yaml"] if works else [])


def models() -> list[Any]:
    return [model for model in apps.get_models() if model._meta.managed]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def everything_in_redis() -> str:
    cache.get("x")
    client = quick_redis()
    values = []
    for key in client.scan_iter("*"):
        kind = client.type(key)
        if kind in (b"string", "string"):
            values.append(str(client.get(key)))
        elif kind in (b"list", "list"):
            values.append(str(client.lrange(key, 0, -1)))
    return "".join(values)
