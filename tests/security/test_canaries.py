"""No secret of the cloud's or of ours turns up anywhere: canaries, and a search."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core import mail, serializers
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api.services import create_token
from dashboard.edits import extension, services
from dashboard.edits.delivery import send
from dashboard.edits.models import Edit
from dashboard.emulator import CANARIES, Behavior, Emulator, Fault
from dashboard.instances import refresh, tasks, upstream
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts import json_reader
from dashboard.reminders import delivery, planning
from dashboard.reminders.models import Preferences, Reminder
from dashboard.web import limits
from dashboard.web.redis_clients import shared_redis
from tests.conftest import PASSWORD
from tests.reminders.conftest import by_mail as by_mail, with_mail as with_mail

from . import canaries
from .conftest import addresses

pytestmark = pytest.mark.usefixtures("_empty_cache")

MIXED = {
    "fleet": 6,
    "notebooks": 3,
    "behavior": Behavior(starting_seconds=0, stopping_seconds=0),
}
WORKS = ("demo", "signed", "token")
"""Clouds that let us in; ``refused`` does not."""


def describe(instance: Instance, actor: User) -> Edit:
    base = {"description": instance.description}
    patch = {"description": "a try"}
    return services.submit_edit(instance=instance, actor=actor, patch=patch, base=base)


def tag(instance: Instance, actor: User) -> Edit:
    base = {"tags": instance.tags}
    patch = {"tags": instance.tags | {"try": "yes"}}
    return services.submit_edit(instance=instance, actor=actor, patch=patch, base=base)


def extend(instance: Instance, actor: User) -> Edit:
    return services.submit_extension(
        instance=instance,
        actor=actor,
        patch=extension.patch_hours(instance, 5, timezone.now()),
        base=extension.base_of(instance),
    )


def power(kind: EditKind, instance: Instance, actor: User) -> Edit:
    return services.submit_power(instance=instance, actor=actor, kind=kind)


WRITES = {
    "notebooks": (
        canaries.notebook,
        [
            ("notebooks.update", describe),
            ("notebooks.tags.create", tag),
            ("notebooks.renew", extend),
            ("notebooks.stop", partial(power, EditKind.STOP)),
            ("notebooks.start", partial(power, EditKind.START)),
        ],
    ),
    "demanager": (canaries.answer, [("update", describe)]),
}
"""The writes of each generation and their routes, and what to lay over the answers."""

API_READS = (
    *("/instances?per_page=100", "/edits", "/batches", "/due", "/clouds", "/me"),
    *("/audit", "/openapi.json"),
)


@pytest.fixture
def planted(
    empty_cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """Every secret of the files and of the answers, each in its place."""
    token = issued_token(empty_cloud)
    described, secure, secrets = canaries.clouds(empty_cloud, token)
    (tmp_path / "clouds.yaml").write_text(described)
    (tmp_path / "secure.yaml").write_text(secure)
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    upstream.forget_clients()
    for number, each in enumerate(empty_cloud.fleet.instances()):
        members, inside = canaries.answer(f"answer-{number}")
        empty_cloud.fleet.force(each.id, has_credential=True, overrides=members)
        secrets |= inside
    for number, notebook in enumerate(empty_cloud.notebooks.notebooks()):
        members, inside = canaries.notebook(f"notebook-{number}")
        empty_cloud.notebooks.force(notebook.id, overrides=members)
        secrets |= inside
    return secrets | {*CANARIES, settings.SECRET_KEY, PASSWORD}


def issued_token(emulator: Emulator) -> str:
    user = emulator.service_user
    who = {"user": {"id": user.id, "password": user.password}}
    auth = {
        "identity": {"methods": ["password"], "password": who},
        "scope": {"project": {"id": emulator.project_id}},
    }
    url = f"{emulator.url}/v3/auth/tokens"
    answer = httpx.post(url, json={"auth": auth}, trust_env=False)
    token: str = answer.raise_for_status().headers["X-Subject-Token"]
    return token


def everywhere(
    emulator: Emulator, client: Client, operator: User, admin: User, commit: Any
) -> dict[str, str]:
    """Work with the clouds, well and badly, and gather what can be read of it."""
    places = {}

    def look(who: Client, path: str, method: str = "get", **options: Any) -> None:
        answer = getattr(who, method)(path, **options)
        body = answer.getvalue().decode()
        places[f"{answer.status_code} {path}"] = f"{answer.headers}\n{body}"

    printed = io.StringIO()
    # One cloud refuses us, so both of them complain.
    with pytest.raises(CommandError):
        call_command("refresh", stdout=printed, stderr=printed)
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "cloud", stdout=printed, stderr=printed)
    places["commands"] = printed.getvalue()
    admins = Client(raise_request_exception=False)
    admins.post("/accounts/login/", {"login": "admin", "password": PASSWORD})
    seen = Instance.objects.select_related("cloud")
    for name in WORKS:
        for instance in seen.filter(cloud__name=name):
            look(admins, instance.get_absolute_url())
            look(admins, instance.get_absolute_url() + "edit/")
    # Writes that work and that the cloud refuses, and a task that breaks.
    in_answers: set[str] = set()
    for generation, (spoiled, steps) in WRITES.items():
        running = seen.filter(status="RUNNING", cloud__name="demo")
        instance = running.filter(generation=generation).earliest("pk")
        for route, submit in steps:
            said, in_refusal = canaries.refusal(route)
            members, inside = spoiled(f"written-{route}")
            in_answers |= in_refusal | inside
            for fault, expected in (
                (Fault("raw", route=route, status=400, body=said), Edit.State.FAILED),
                (Fault("patch", route=route, patch=members), Edit.State.APPLIED),
            ):
                emulator.faults.add(replace(fault, times=1))
                with commit(execute=True):
                    edit = submit(instance, operator)
                send.drain(instance.pk)
                edit.refresh_from_db()
                assert edit.state == expected, (route, edit.message)
                instance = seen.get(pk=instance.pk)
                look(admins, reverse("edits:detail", args=[edit.pk]))
                look(admins, instance.get_absolute_url())
    planning.plan()
    for mailed in Reminder.objects.filter(medium="mail"):
        delivery.deliver(mailed.pk)
    emulator.faults.add(Fault("status", status=500))
    refresh.refresh_cloud("demo")
    with pytest.MonkeyPatch.context() as patch:
        broken = Mock(side_effect=RuntimeError("broken on purpose"))
        patch.setattr(refresh, "_refresh", broken)
        Cloud.objects.update(attempted_at=None)
        tasks.refresh_cloud.apply(args=["signed"])
        patch.setattr(limits, "allows", broken)
        form = {"login": "admin", "password": PASSWORD}
        look(admins, "/accounts/login/", "post", data=form)
    _, secret = create_token(
        owner=admin, name="canary", scopes=["read", "write", "audit"], days=1
    )
    bearer = {"Authorization": f"Bearer {secret}"}
    details = [f"/instances/{each.reference}" for each in seen]
    for path in (*API_READS, *details):
        look(client, f"/api/v1{path}", headers=bearer)
    look(client, "/api/v1/instances?page=x", headers=bearer)
    for path in addresses(instance, edit).values():
        look(admins, path)
    look(admins, "/nowhere/")
    look(client, "/readyz", headers={"Host": "elsewhere.example.org"})
    client.force_login(User.objects.create(username="looks", role=User.Role.VIEWER))
    look(client, "/people/")
    Cloud.objects.update(attempted_at=None)
    tasks.refresh_due_clouds()
    places["database"] = "".join(
        serializers.serialize("json", model._default_manager.all())
        for model in apps.get_models()
    )
    places["redis"] = redis_dump()
    places["mail"] = "".join(str(each.message()) for each in mail.outbox)
    places["answers"] = json.dumps(sorted({*in_answers, secret}))
    return places


def redis_dump() -> str:
    """All keys and values of the broker's database and the cache's."""
    found = []
    for client in (shared_redis(), redis.Redis.from_url(settings.BROKER_URL)):
        read: dict[bytes, Callable[[bytes], Any]] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"list": lambda key, ask=client: ask.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key, ask=client: ask.zrange(key, 0, -1),
        }
        found += [
            repr((key, read[client.type(key)](key))) for key in client.scan_iter()
        ]
    return "\n".join(found)


def hits(secrets: set[str], places: dict[str, str]) -> list[tuple[str, str]]:
    marked = {secret for secret in secrets if canaries.MARK in secret}
    found = []
    for place, text in places.items():
        # Most places have none: look once for what nearly all secrets contain.
        suspects = secrets if canaries.MARK in text else secrets - marked
        for secret in suspects:
            if secret in text or json.dumps(secret)[1:-1] in text:
                found.append((secret, place))
    return found


@pytest.mark.parametrize("empty_cloud", [MIXED], indirect=True)
def test_no_canary_leaves_its_cage(
    empty_cloud: Emulator,
    planted: set[str],
    client: Client,
    operator: User,
    admin: User,
    by_mail: Preferences,
    log: io.StringIO,
    django_capture_on_commit_callbacks: Any,
) -> None:
    places = everywhere(
        empty_cloud, client, operator, admin, django_capture_on_commit_callbacks
    )
    secrets = planted | set(json.loads(places.pop("answers")))
    secrets |= set(empty_cloud.iam._tokens)
    places["log"] = log.getvalue()
    # The search finds what is there, everything was in its place, and all was tried.
    assert "a try" in places["database"]
    assert "defect-detector-v5" in places["mail"]
    assert "refresh_cloud" in places["redis"]
    assert "broken on purpose" in places["log"]
    assert "refuse" in places["commands"]
    assert "422 /api/v1/instances?page=x" in places
    assert "Something went wrong" in places["500 /accounts/login/"]
    assert {place[:3] for place in places} >= {"200", "400", "403", "404", "500"}
    assert {f"200 /api/v1{path}" for path in API_READS} <= places.keys()
    assert set(Cloud.objects.values_list("name", flat=True)) == {*WORKS, "refused"}
    for name in WORKS:
        assert Instance.objects.filter(cloud__name=name).count() == 6
    assert not Instance.objects.filter(cloud__name="refused")
    assert any("/export" in place for place in places if place.startswith("200"))
    for generation in WRITES:
        stored = Instance.objects.filter(generation=generation)
        assert stored.count() == 3 * len(WORKS)
        for instance in stored:
            kept = json.dumps(instance.document)
            assert "git.example.com" in kept, "addresses are kept, without users"
    assert len(secrets) > 900
    assert hits(secrets, places) == []


@pytest.mark.parametrize(
    ("guard", "without"),
    [("is_secret_key", lambda key: False), ("redact_address", lambda text: text)],
)
@pytest.mark.parametrize(
    "empty_cloud",
    [{"fleet": 2}, {"fleet": 2, "notebooks": 2}],
    indirect=True,
    ids=["demanager", "notebooks"],
)
def test_without_a_guard_they_do(
    planted: set[str],
    monkeypatch: pytest.MonkeyPatch,
    guard: str,
    without: Callable[[str], Any],
) -> None:
    monkeypatch.setattr(json_reader, guard, without)
    refresh.ensure_clouds()
    refresh.refresh_cloud("demo")
    kept = serializers.serialize("json", Instance.objects.all())
    assert hits(planted, {"database": kept})
