"""The choice of clouds: what their test says, and what is saved."""

import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.config import Config
from dashboard.emulator import Behavior, Emulator
from dashboard.instances.models import Cloud
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.setup import known_clouds, tasks

from .conftest import work_off

CLOUDS = reverse("setup:clouds")
CHANGES = reverse("setup:clouds_changes")
READY = reverse("setup:ready")

pytestmark = pytest.mark.django_db


@pytest.fixture
def _admin_signed_in(client: Client, admin: User) -> None:
    client.force_login(admin)


def two_clouds(
    emulator: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``demo`` works, ``broken`` has a wrong password."""
    document = yaml.safe_load(emulator.clouds_yaml("demo"))
    works = document["clouds"]["demo"]
    broken = works | {"auth": works["auth"] | {"password": "wrong"}}
    document["clouds"]["broken"] = broken
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))


@pytest.mark.usefixtures("_admin_signed_in")
def test_each_cloud_is_read_once_and_the_reason_shown(
    client: Client,
    empty_cloud: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    queue: list[Any],
) -> None:
    two_clouds(empty_cloud, tmp_path, monkeypatch)
    page = client.get(CLOUDS).text
    assert str(tmp_path / "own.yaml") in page
    assert page.count("Reading…") == 2
    assert [args[1] for _, args in queue] == ["demo", "broken"]
    assert client.get(CHANGES, {"done": "0"}).status_code == 204
    work_off(queue)
    fragment = client.get(CHANGES, {"done": "0"})
    assert fragment.status_code == 200
    assert "40 instances" in fragment.text
    assert "refuses the sign-in" in fragment.text
    assert "hx-get" not in fragment.text, "all are known, so the page stops asking"
    client.get(CLOUDS)
    assert not queue, "the answers of this session still count"
    client.post(CLOUDS, {"again": "1"})
    client.get(CLOUDS)
    assert len(queue) == 2


@pytest.mark.usefixtures("_admin_signed_in")
@pytest.mark.parametrize(
    "empty_cloud",
    [{"notebooks": 1.0, "behavior": Behavior(served="notebooks")}],
    indirect=True,
)
def test_what_is_not_served_is_said(
    client: Client, empty_cloud: Emulator, queue: list[Any]
) -> None:
    client.get(CLOUDS)
    work_off(queue)
    page = " ".join(client.get(CLOUDS).text.split())
    assert "Old API: not served" in page
    assert 'data-answer="good"' in page


@pytest.mark.usefixtures("_admin_signed_in")
def test_the_choice_is_saved_where_the_settings_read_it(
    client: Client,
    admin: User,
    empty_cloud: Emulator,
    tmp_path: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    queue: list[Any],
) -> None:
    two_clouds(empty_cloud, tmp_path, monkeypatch)
    settings_file = data_dir / "settings.env"
    settings_file.write_text("CURFEW_REFRESH_SECONDS=7\n")
    response = client.post(CLOUDS, {"clouds": ["demo"]})
    assert (response.status_code, response.headers["Location"]) == (303, READY)
    config = Config(
        _env_file=settings_file,
        secret_key="0123456789abcdef" * 4,
        redis_url="redis://localhost",
    )
    assert config.clouds == ["demo"]
    assert config.refresh_seconds == 7, "what others have written stays"
    event = AuditEvent.objects.get(action="setup.clouds_chosen")
    assert event.actor_id == admin.pk
    assert event.before == {"clouds": ["demo", "broken"]}
    assert event.after == {"clouds": ["demo"]}
    client.post(CLOUDS, {"clouds": ["demo"]})
    assert AuditEvent.objects.filter(action="setup.clouds_chosen").count() == 1


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud", "queue")
def test_a_new_file_of_the_choice_is_private(client: Client, data_dir: Path) -> None:
    client.post(CLOUDS, {"clouds": ["demo"]})
    mode = (data_dir / "settings.env").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    client.post(CLOUDS, {"clouds": ["demo"]})
    assert stat.S_IMODE((data_dir / "settings.env").stat().st_mode) == 0o600


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud", "queue")
@pytest.mark.parametrize("names", [[], ["other"], ["demo", "other"]])
def test_an_impossible_choice_is_not_saved(
    client: Client, data_dir: Path, names: list[str]
) -> None:
    response = client.post(CLOUDS, {"clouds": names})
    assert response.status_code == 422
    assert not (data_dir / "settings.env").exists()


@pytest.mark.usefixtures("_admin_signed_in", "queue")
def test_a_name_that_the_setting_cannot_have_cannot_be_chosen(
    client: Client,
    empty_cloud: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(empty_cloud.clouds_yaml("a, b"))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    assert "cannot be chosen" in client.get(CLOUDS).text
    assert client.post(CLOUDS, {"clouds": ["a, b"]}).status_code == 422


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud", "queue")
def test_the_environment_wins(
    client: Client, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEW_CLOUDS", "demo")
    monkeypatch.setattr(settings.CURFEW, "clouds", ["demo"])
    assert "The variable CURFEW_CLOUDS names the clouds: demo." in " ".join(
        client.get(CLOUDS).text.split()
    )
    client.post(CLOUDS, {"clouds": ["demo"]})
    assert not (data_dir / "settings.env").exists()


@pytest.mark.usefixtures("_admin_signed_in", "queue")
def test_an_unreadable_file_is_named(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("clouds: [\npassword: CANARY-in-the-file")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    page = client.get(CLOUDS).text
    assert "is not valid YAML" in page
    assert "CANARY" not in page


@pytest.mark.usefixtures("_admin_signed_in", "queue")
def test_without_a_file_the_page_says_where_to_put_one(client: Client) -> None:
    page = client.get(CLOUDS).text
    assert "~/.config/openstack/clouds.yaml" in page
    assert reverse("setup:new") in page


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud", "queue")
def test_a_worker_that_never_answers(client: Client) -> None:
    client.get(CLOUDS)
    with time_machine.travel(timezone.now() + timedelta(seconds=70)):
        fragment = client.get(CHANGES, {"done": "0"})
        assert "No worker has answered." in fragment.text


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud")
def test_a_broker_that_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.check_cloud, "apply_async", away)
    response = client.get(CLOUDS)
    assert response.status_code == 200
    assert "The workers of Curfew cannot be reached" in response.text


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud")
def test_the_last_page_waits_for_the_first_refresh(client: Client) -> None:
    page = client.get(READY).text
    assert "Waiting…" in page
    poll = reverse("setup:ready_changes")
    assert client.get(poll, {"done": "0"}).status_code == 204
    ensure_clouds()
    refresh_cloud("demo")
    fragment = client.get(poll, {"done": "0"}).text
    assert "Curfew is set up." in fragment
    assert "Waiting…" not in fragment


@pytest.mark.usefixtures("_admin_signed_in", "empty_cloud")
def test_the_last_page_tells_of_problems(client: Client) -> None:
    ensure_clouds()
    refresh_cloud("demo")
    Cloud.objects.update(problem={"code": "modelarts.wrong_password", "params": {}})
    assert "The password is wrong" in client.get(READY).text


def test_the_names_of_all_clouds_are_the_choice_until_one_is_saved() -> None:
    assert known_clouds.chosen_clouds(["a", "b"]) == ["a", "b"]
    known_clouds.save_choice(["b", "it's # one"])
    assert known_clouds.chosen_clouds(["a", "b"]) == ["b", "it's # one"]


@pytest.mark.parametrize(
    "name",
    [
        *("clouds", "clouds_changes", "new", "test", "test_changes"),
        *("ready", "ready_changes"),
    ],
)
@pytest.mark.parametrize(
    ("who", "status"),
    [
        *(("operator", 403), ("manager", 403), ("scientist", 403), ("viewer", 403)),
        ("admin", {200, 204, 302}),
    ],
)
@pytest.mark.usefixtures("queue")
def test_the_setup_is_for_admins(
    client: Client,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    who: str,
    status: Any,
) -> None:
    path = reverse(f"setup:{name}")
    assert client.get(path).headers["Location"].startswith("/accounts/login/")
    client.force_login(request.getfixturevalue(who))
    expected = status if isinstance(status, set) else {status}
    assert client.get(path).status_code in expected
    if status == 403:
        assert client.post(path, {"clouds": "demo"}).status_code in {403, 405}
    monkeypatch.setattr(settings.CURFEW, "data_dir", None)
    assert client.get(path).status_code == 404
