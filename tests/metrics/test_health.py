"""/healthz and /readyz, for load balancers and supervisors."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pydantic import SecretStr

from dashboard.instances.models import Cloud
from dashboard.metrics import readiness
from tests import factories


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def test_healthz_touches_nothing(client: Client) -> None:
    # Without the db fixture, any query would fail the test.
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.content == b"ok"
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reads(client: Client, db: None, path: str) -> None:
    assert client.post(path).status_code == 405


def test_ready(client: Client, db: None) -> None:
    factories.make_cloud("demo", refreshed_at=ago(12), attempted_at=ago(12))
    response = client.get("/readyz")
    assert response.status_code == 200
    assert not response.cookies
    answer = response.json()
    assert answer["ready"] is True
    assert answer["reasons"] == []
    assert 12 <= answer["mirror_age_seconds"]["demo"] < 60


@pytest.mark.parametrize(
    ("cloud", "reason"),
    [
        ({"refreshed_at": ago(1000), "attempted_at": ago(1)}, "s old"),
        ({"refreshed_at": ago(1000), "attempted_at": ago(1000)}, "s old"),
        ({"refreshed_at": None, "attempted_at": ago(1)}, "never been read completely"),
        ({"refreshed_at": None, "attempted_at": None}, "never been read completely"),
    ],
)
def test_a_mirror_that_is_too_old(
    client: Client, db: None, cloud: dict[str, Any], reason: str
) -> None:
    factories.make_cloud("demo", **cloud)
    response = client.get("/readyz")
    assert response.status_code == 503
    answer = response.json()
    assert answer["ready"] is False
    assert len(answer["reasons"]) == 1
    assert reason in answer["reasons"][0]


def test_without_access_there_are_no_details(client: Client, db: None) -> None:
    factories.make_cloud("secret project", refreshed_at=ago(9000), attempted_at=ago(1))
    for stranger in (
        {"REMOTE_ADDR": "93.184.216.34"},
        {"HTTP_X_FORWARDED_FOR": "93.184.216.34"},
    ):
        response = client.get("/readyz", **stranger)  # type: ignore[arg-type]
        assert response.status_code == 503
        assert response.json() == {"ready": False}


def test_with_a_token_only_its_bearer_gets_details(
    client: Client, db: None, settings: Any
) -> None:
    token = SecretStr("a token of Prometheus")
    settings.CURFEW = settings.CURFEW.model_copy(update={"metrics_token": token})
    factories.make_cloud("demo", refreshed_at=ago(3), attempted_at=ago(3))
    assert client.get("/readyz").json() == {"ready": True}
    bearer = {"Authorization": f"Bearer {token.get_secret_value()}"}
    assert client.get("/readyz", headers=bearer).json()["reasons"] == []


def test_requests_without_access_are_checked_once_a_second(
    client: Client, db: None, django_assert_num_queries: Any
) -> None:
    factories.make_cloud("demo", refreshed_at=ago(3), attempted_at=ago(3))
    client.get("/readyz", REMOTE_ADDR="93.184.216.34")
    with django_assert_num_queries(0):
        client.get("/readyz", REMOTE_ADDR="93.184.216.34")


def test_without_any_cloud(client: Client, db: None) -> None:
    assert client.get("/readyz").json()["reasons"] == ["No cloud connected yet."]


def test_a_removed_cloud_is_a_notice(client: Client, db: None) -> None:
    factories.make_cloud("demo", refreshed_at=ago(3), attempted_at=ago(3))
    factories.make_cloud(
        "gone",
        refreshed_at=ago(9000),
        attempted_at=ago(9000),
        unconfigured_since=ago(8000),
    )
    response = client.get("/readyz")
    assert response.status_code == 200
    answer = response.json()
    assert list(answer["mirror_age_seconds"]) == ["demo"]
    (notice,) = answer["notices"]
    assert "gone left the configuration" in notice
    Cloud.objects.filter(name="gone").update(retired_at=ago(1))
    assert client.get("/readyz").json()["notices"] == []


def test_an_incomplete_listing_is_a_notice(client: Client, db: None) -> None:
    factories.make_cloud(
        "demo",
        attempted_at=ago(1),
        incomplete="wrong_count",
        incomplete_since=ago(600),
        listed=60,
        counted=7,
    )
    (notice,) = client.get("/readyz").json()["notices"]
    assert "it counts 7 instances and lists 60" in notice


def test_a_listing_without_administrator_rights_is_a_notice(
    client: Client, db: None
) -> None:
    factories.make_cloud("demo", attempted_at=ago(1), notebooks_scope="own")
    response = client.get("/readyz")
    assert response.status_code == 200
    (notice,) = response.json()["notices"]
    assert "demo lists only the notebooks of Curfew's own account" in notice


def test_without_broker(client: Client, db: None, settings: Any) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    factories.make_cloud("demo", attempted_at=ago(1))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["The broker does not answer."]


@pytest.fixture
def broken_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        from django.db import OperationalError

        raise OperationalError("secret-host:5432 refused")

    monkeypatch.setattr(readiness.Cloud.objects, "all", fail)


def test_without_database_quotes_no_error(
    client: Client, broken_database: Callable[[], None]
) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["The database does not answer."]
    assert b"secret-host" not in response.content
