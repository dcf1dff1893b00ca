"""No secret of the cloud's or of ours turns up anywhere: canaries, and a search."""

import io
import json
from collections.abc import Callable
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

from dashboard.accounts.models import User
from dashboard.api.services import make_token
from dashboard.edits import services
from dashboard.edits.delivery import send
from dashboard.emulator import CANARIES, Emulator, Fault
from dashboard.instances import refresh, tasks, upstream
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts import json_reader
from dashboard.web import limits
from dashboard.web.shared import shared_redis
from tests.conftest import PASSWORD

from . import canaries
from .conftest import addresses

pytestmark = pytest.mark.usefixtures("_empty_cache")

WORKS = ("demo", "signed", "token")
"""Clouds that let us in; ``refused`` does not."""

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
    # A write that works, one that the cloud refuses, and a task that breaks.
    instance = seen.filter(status="RUNNING", cloud__name="demo")[0]
    said, in_refusal = canaries.refusal()
    refused = Fault("raw", route="update", status=400, body=said)
    for number, fault in enumerate((None, refused)):
        if fault:
            emulator.faults.add(fault)
        with commit(execute=True):
            edit = services.submit_edit(
                instance=instance,
                actor=operator,
                patch={"description": f"try {number}"},
                base={"description": instance.description},
            )
        send.drain(instance.pk)
        instance.refresh_from_db()
        look(admins, reverse("edits:detail", args=[edit.pk]))
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
    _, secret = make_token(
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
    places["refusal"] = json.dumps(sorted({*in_refusal, secret}))
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
    return [
        (secret, place)
        for place, text in places.items()
        for secret in secrets
        if secret in text or json.dumps(secret)[1:-1] in text
    ]


@pytest.mark.parametrize("empty_cloud", [{"fleet": 6}], indirect=True)
def test_no_canary_leaves_its_cage(
    empty_cloud: Emulator,
    planted: set[str],
    client: Client,
    operator: User,
    admin: User,
    log: io.StringIO,
    django_capture_on_commit_callbacks: Any,
) -> None:
    places = everywhere(
        empty_cloud, client, operator, admin, django_capture_on_commit_callbacks
    )
    secrets = planted | set(json.loads(places.pop("refusal")))
    secrets |= set(empty_cloud.iam._tokens)
    places["log"] = log.getvalue()
    # The search finds what is there, everything was in its place, and all was tried.
    assert "try 0" in places["database"]
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
    assert "git.example.com" in places["database"], "addresses are kept, without users"
    assert len(secrets) > 400
    assert hits(secrets, places) == []


@pytest.mark.parametrize(
    ("guard", "without"),
    [("is_secret_key", lambda key: False), ("redact_address", lambda text: text)],
)
@pytest.mark.parametrize("empty_cloud", [{"fleet": 2}], indirect=True)
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
