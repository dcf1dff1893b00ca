"""No secret of the cloud's or of ours turns up anywhere: canaries, and a search."""

import io
import json

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits import delivery, services
from dashboard.emulator import CANARIES, SERVICE_USER, Emulator, Fault
from dashboard.instances import refresh
from dashboard.instances.models import Instance
from dashboard.web.shared import shared_redis
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("_empty_cache")


def redis_dump() -> str:
    """All keys and values of the broker's database and the cache's."""
    found = []
    for client in (shared_redis(), redis.Redis.from_url(settings.BROKER_URL)):
        for key in client.scan_iter():
            kind = client.type(key)
            read = {b"string": client.get, b"hash": client.hgetall}.get(kind)
            found.append(repr((key, read(key) if read else client.dump(key))))
    return "\n".join(found)


def test_no_canary_leaves_its_cage(
    empty_cloud: Emulator, client: Client, operator: User, log: io.StringIO
) -> None:
    for each in empty_cloud.fleet.instances():
        empty_cloud.fleet.force(each.id, has_credential=True)
    refresh.ensure_clouds()
    refresh.refresh_cloud("demo")
    client.post("/accounts/login/", {"login": "operator", "password": PASSWORD})
    places = {
        path: client.get(path).text
        for path in ("/instances/", "/edits/", "/audit/", "/readyz", "/metrics")
    }
    for instance in Instance.objects.select_related("cloud"):
        for path in (
            instance.get_absolute_url(),
            instance.get_absolute_url() + "edit/",
        ):
            places[path] = client.get(path).text
    # A write that works, one that the cloud refuses, and a reading that breaks.
    instance = Instance.objects.filter(status="RUNNING").select_related("cloud")[0]
    for number, fault in enumerate((None, Fault("status", route="update", status=400))):
        if fault:
            empty_cloud.faults.add(fault)
        edit = services.submit_edit(
            instance=instance,
            actor=operator,
            patch={"description": f"try {number}"},
            base={"description": instance.description},
        )
        delivery.drain(instance.pk)
        instance.refresh_from_db()
        places[str(edit.pk)] = client.get(reverse("edits:receipt", args=[edit.pk])).text
    empty_cloud.faults.add(Fault("status", status=500))
    refresh.refresh_cloud("demo")
    places["database"] = "".join(
        serializers.serialize("json", model._default_manager.all())
        for model in apps.get_models()
    )
    places["redis"] = redis_dump()
    places["log"] = log.getvalue()
    secrets = {
        *CANARIES,
        SERVICE_USER.password,
        SERVICE_USER.secret_key,
        settings.SECRET_KEY,
        PASSWORD,
    }
    assert "try 0" in places["database"], "the search finds what is there"
    hits = [
        (secret, place)
        for place, text in places.items()
        for secret in secrets
        if secret in text or json.dumps(secret)[1:-1] in text
    ]
    assert hits == []
