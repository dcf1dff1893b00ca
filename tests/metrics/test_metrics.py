"""/metrics agrees with database and Redis, and is not public."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from dashboard.accounts.models import User
from dashboard.edits.delivery import heartbeat
from dashboard.edits.models import Edit
from dashboard.instances import upstream_metrics
from dashboard.instances.models import Instance
from dashboard.metrics import collector
from dashboard.modelarts.call_metrics import Call, outcome_of
from dashboard.modelarts.errors import NotSentError, RefusedError, ThrottledError
from dashboard.modelarts.generations import Generation
from dashboard.web.redis_clients import shared_redis
from dashboard.web.stored_messages import verbatim
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted(_empty_cache: None) -> Iterator[None]:
    with redis.Redis.from_url(django_settings.BROKER_URL) as broker:
        broker.flushdb()
        yield
        broker.flushdb()


def scrape(client: Client, **headers: Any) -> dict[str, float]:
    """Return the samples by ``name{label="value"}``."""
    response = client.get("/metrics", **headers)
    assert response.status_code == 200
    assert not response.cookies
    samples = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = (
                sample.value
            )
    return samples


def test_the_fleet(client: Client) -> None:
    lab, far = factories.make_cloud("lab"), factories.make_cloud("far")
    for stops_in in (-500, -5, 60, 600, 7200):
        factories.make_instance(cloud=lab, stops_in=stops_in)
    factories.make_instance(
        cloud=lab, auto_stop_enable=False, stops_at=None, stops_in=None
    )
    factories.make_instance(cloud=lab, auto_stop_enable=False)
    factories.make_instance(cloud=lab, auto_stop_enable=False, status="STOPPED")
    factories.make_instance(cloud=lab, missing_since=timezone.now())
    factories.make_instance(cloud=far, status="STOPPED", problems=["name: odd"])
    factories.make_notebook(cloud=far)
    samples = scrape(client)
    running = 'generation="notebooks",status="RUNNING"'
    assert samples[f'curfew_instances{{cloud="far",{running}}}'] == 1
    assert (
        samples['curfew_instances{cloud="lab",generation="demanager",status="RUNNING"}']
        == 7
    )
    assert (
        samples['curfew_instances{cloud="far",generation="demanager",status="STOPPED"}']
        == 1
    )
    assert samples['curfew_instances_due{cloud="lab"}'] == 3
    assert samples['curfew_instances_overdue{cloud="lab"}'] == 1
    assert samples['curfew_instances_without_end{cloud="lab"}'] == 1
    assert samples['curfew_instances_auto_stop_off{cloud="lab"}'] == 2
    assert samples['curfew_instances_unreadable{cloud="far"}'] == 1


def test_the_clouds(client: Client) -> None:
    old = timezone.now() - timedelta(seconds=90)
    factories.make_cloud("well", skew_ms=1500)
    factories.make_cloud(
        "ill", refreshed_at=old, problem=verbatim("It is away."), failures=5
    )
    factories.make_cloud("new", refreshed_at=None)
    samples = scrape(client)
    assert 90 <= samples['curfew_mirror_age_seconds{cloud="ill"}'] < 150
    assert 'curfew_mirror_age_seconds{cloud="new"}' not in samples
    assert samples['curfew_mirror_problem{cloud="ill"}'] == 1
    assert samples['curfew_circuit_open{cloud="ill"}'] == 1
    assert samples['curfew_mirror_problem{cloud="well"}'] == 0
    assert samples['curfew_circuit_open{cloud="well"}'] == 0
    assert samples['curfew_cloud_skew_seconds{cloud="well"}'] == 1.5


def test_the_edits(client: Client, instance: Instance, operator: User) -> None:
    now = timezone.now()
    states = ["queued", "queued", "sending", "applied", "applied", "failed"]
    for seq, state in enumerate(states, start=1):
        Edit.objects.create(
            instance=instance,
            actor=operator,
            seq=seq,
            state=state,
            idempotency_key=str(seq),
            deadline_at=now,
        )
    Edit.objects.filter(seq=1).update(created_at=now - timedelta(hours=2))
    Edit.objects.filter(seq=4).update(created_at=now - timedelta(hours=25))
    samples = scrape(client)
    open_edits = {
        key: value for key, value in samples.items() if key.startswith("curfew_edits_o")
    }
    assert open_edits == {
        'curfew_edits_open{state="queued"}': 2,
        'curfew_edits_open{state="retrying"}': 0,
        'curfew_edits_open{state="sending"}': 1,
    }
    assert samples['curfew_edits_last_day{state="applied"}'] == 1
    assert samples['curfew_edits_last_day{state="failed"}'] == 1
    assert samples['curfew_edits_last_day{state="conflict"}'] == 0
    assert 7200 <= samples["curfew_oldest_open_edit_seconds"] < 7300


def test_the_queues(client: Client) -> None:
    with redis.Redis.from_url(django_settings.BROKER_URL) as broker:
        broker.rpush("curfew:edits", "one", "two")
        broker.hset("curfew:unacked", "tag", "message")
    heartbeat.note_sweep()
    samples = scrape(client)
    assert samples['curfew_queue_messages{queue="edits"}'] == 2
    assert samples['curfew_queue_messages{queue="refresh"}'] == 0
    assert samples["curfew_queue_unacknowledged"] == 1
    assert 0 <= samples["curfew_sweep_age_seconds"] < 60


def test_calls_to_the_cloud(client: Client) -> None:
    factories.make_cloud("lab")
    for outcome, seconds in (("ok", 0.01), ("ok", 0.3), ("http_503", 20.0)):
        upstream_metrics.count("lab", [Call("show", outcome, seconds)])
    upstream_metrics.count("lab", [Call("renew", "ok", 0.2, Generation.NOTEBOOKS)])
    samples = scrape(client)
    of = 'cloud="lab",generation="notebooks",operation="renew",outcome="ok"'
    assert samples[f"curfew_upstream_calls_total{{{of}}}"] == 1
    of = 'cloud="lab",generation="demanager",operation="show"'
    assert samples[f'curfew_upstream_calls_total{{{of},outcome="ok"}}'] == 2
    assert samples[f'curfew_upstream_calls_total{{{of},outcome="http_503"}}'] == 1
    bucket = (
        'curfew_upstream_seconds_bucket{cloud="lab",generation="demanager",le="%s",'
        'operation="show"}'
    )
    assert [
        samples[bucket % end] for end in ("0.05", "0.25", "0.5", "10.0", "+Inf")
    ] == [*(1, 1, 2, 2, 3)]
    assert samples[f"curfew_upstream_seconds_count{{{of}}}"] == 3
    assert samples[f"curfew_upstream_seconds_sum{{{of}}}"] == pytest.approx(20.31)


def test_real_calls_are_counted(client: Client, cloud: Any) -> None:
    counted = upstream_metrics.read(["demo"])["demo"]
    listing = upstream_metrics.Operation("demanager", "list")
    assert counted.outcomes[listing, "ok"] == 1
    assert sum(counted.buckets[listing]) == 1


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (
            RefusedError("No.", status=400, error_code="ModelArts.6309"),
            "ModelArts.6309",
        ),
        (RefusedError("No.", status=400, error_code="evil{} name"), "http_400"),
        (ThrottledError("Wait.", status=429), "http_429"),
        (NotSentError("Away."), "NotSent"),
    ],
)
def test_outcomes_are_few(error: Any, name: str) -> None:
    assert outcome_of(error) == name


def test_without_redis(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.make_instance()
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    samples = scrape(client)
    assert samples["curfew_broker_up"] == 0
    assert samples["curfew_database_up"] == 1
    assert (
        samples[
            'curfew_instances{cloud="demo",generation="demanager",status="RUNNING"}'
        ]
        == 1
    )


def test_without_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DatabaseError("secret-host:5432 refused")

    monkeypatch.setattr(collector.Instance.objects, "filter", lambda *_: fail())
    response = client.get("/metrics")
    assert b"curfew_database_up 0.0" in response.content
    assert b"curfew_broker_up 1.0" in response.content
    assert b"secret-host" not in response.content


def test_costs_a_fixed_number_of_queries(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        factories.make_instance()
    with django_assert_max_num_queries(34):
        scrape(client)
    # Costs are kept for a minute.
    with django_assert_max_num_queries(6):
        scrape(client)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"REMOTE_ADDR": "10.1.2.3"}, 200),
        ({"REMOTE_ADDR": "::ffff:192.168.1.9"}, 200),
        ({"REMOTE_ADDR": "8.8.8.8"}, 403),
        ({"REMOTE_ADDR": "2001:4860:4860::8888"}, 403),
        ({"REMOTE_ADDR": "::ffff:8.8.8.8"}, 403),
        ({"REMOTE_ADDR": ""}, 403),
        ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ({"HTTP_FORWARDED": "for=127.0.0.1"}, 403),
    ],
)
def test_without_a_token_only_private_addresses_may_read(
    client: Client, headers: dict[str, str], status: int
) -> None:
    assert client.get("/metrics", **headers).status_code == status


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer right", 200), ("Bearer wrong", 401), ("right", 401), ("", 401)],
)
def test_with_a_token_only_its_bearer_may_read(
    client: Client, settings: Any, given: str, status: int
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"metrics_token": type(settings.CURFEW.metrics_token)("right")}
    )
    response = client.get(
        "/metrics", HTTP_AUTHORIZATION=given, HTTP_X_FORWARDED_FOR="8.8.8.8"
    )
    assert response.status_code == status
    assert ("WWW-Authenticate" in response) == (status == 401)


def test_only_reads(client: Client) -> None:
    assert client.post("/metrics").status_code == 405


def test_the_counts_outlive_this_process() -> None:
    upstream_metrics.count("lab", [Call("list", "ok", 0.1)])
    shared_redis().connection_pool.disconnect()
    listing = upstream_metrics.Operation("demanager", "list")
    assert upstream_metrics.read(["lab"])["lab"].outcomes == {(listing, "ok"): 1}


def test_counts_of_an_older_release_are_of_the_old_api(client: Client) -> None:
    shared_redis().hset("curfew:traffic:lab", "outcome|show|ok", 3)
    showing = upstream_metrics.Operation("demanager", "show")
    assert upstream_metrics.read(["lab"])["lab"].outcomes == {(showing, "ok"): 3}
