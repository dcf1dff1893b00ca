"""A client that is generated from the OpenAPI document."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.api.services import create_token
from dashboard.api.urls import document
from dashboard.costs.models import Price
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance
from tests.edits.conftest import running as _running
from tests.edits.deliveries import deliver, puts
from tests.factories import make_notebook, make_run

pytestmark = pytest.mark.usefixtures("_empty_cache", "transactional_db")

running = _running

SETTINGS = (
    *("description", "auto_stop_enable", "auto_stop_seconds", "auto_stop_hours"),
    *("prompt", "name", "status"),
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Generate the client from the document; return the name of its package."""
    tmp_path = tmp_path_factory.mktemp("client")
    source = tmp_path / "openapi.json"
    source.write_bytes(document())
    config = tmp_path / "config.yml"
    config.write_text("post_hooks: []\n")
    name = "generated_curfew"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate"),
            *("--path", source, "--config", config, "--meta", "none"),
            *("--output-path", tmp_path / name, "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(tmp_path)
        yield name


@pytest.fixture
def client(generated: str, live_server: Any, operator: User) -> Iterator[Any]:
    """The client, with a token."""
    _, secret = create_token(
        owner=operator, name="generated", scopes=["read", "write"], days=1
    )
    client_module = importlib.import_module(generated)
    with client_module.AuthenticatedClient(
        base_url=live_server.url, token=secret
    ) as known:
        yield known


def call(client: Any, where: str, **values: Any) -> Any:
    package = type(client).__module__.partition(".")[0]
    module = importlib.import_module(f"{package}.api.{where}")
    return module.sync_detailed(client=client, **values)


def model(client: Any, name: str, **fields: Any) -> Any:
    package = type(client).__module__.partition(".")[0]
    return getattr(importlib.import_module(f"{package}.models"), name)(**fields)


def change(client: Any, **fields: Any) -> Any:
    return model(client, "Change", **fields)


def test_the_client_changes_one_field_and_no_other(
    client: Any, running: Instance, cloud: Emulator
) -> None:
    where = {"cloud": running.cloud.name, "instance_id": running.instance_id}
    before = call(client, "instances.get_instance", **where).parsed
    assert before.description, "there is something to lose"
    answer = call(
        client,
        "instances.change_instance",
        **where,
        body=change(client, auto_stop_hours=2.5),
    )
    assert answer.status_code == HTTPStatus.ACCEPTED
    edit = deliver(Edit.objects.get(pk=answer.parsed.id))
    assert edit.state == "applied", edit.message
    after = call(client, "instances.get_instance", **where).parsed
    differ = {
        name for name in SETTINGS if getattr(before, name) != getattr(after, name)
    }
    assert differ == {"auto_stop_seconds", "auto_stop_hours"}
    assert after.auto_stop_seconds == 9_000
    (sent,) = puts(cloud, running)
    assert sent.get("description", before.description) == before.description


def test_the_same_key_twice_is_one_edit(client: Any, running: Instance) -> None:
    arguments = {
        "cloud": running.cloud.name,
        "instance_id": running.instance_id,
        "body": change(client, description="Once"),
        "idempotency_key": "k-1",
    }
    first = call(client, "instances.change_instance", **arguments)
    second = call(client, "instances.change_instance", **arguments)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.parsed.id == second.parsed.id
    assert Edit.objects.count() == 1
    other = arguments | {"body": change(client, description="Once", auto_stop_hours=4)}
    assert call(client, "instances.change_instance", **other).status_code == 409
    assert Edit.objects.count() == 1


def test_the_client_extends_a_run(client: Any) -> None:
    notebook = make_notebook()
    where = {"cloud": notebook.cloud.name, "instance_id": notebook.instance_id}
    seen = call(client, "instances.get_instance", **where).parsed
    assert seen.can_extend
    until = seen.lease.ends_at + timedelta(hours=2)
    body = model(client, "Extension", until=until, seen=seen.lease_seen)
    answer = call(client, "instances.extend_instance", **where, body=body)
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.content
    assert abs(answer.parsed.until - until) < timedelta(seconds=1)


def test_the_client_starts_with_and_without_a_run_time(client: Any) -> None:
    for fields in ({}, {"hours": 2.5}):
        stopped = make_notebook(status="STOPPED")
        where = {"cloud": stopped.cloud.name, "instance_id": stopped.instance_id}
        body = {"body": model(client, "Start", **fields)} if fields else {}
        answer = call(client, "instances.start_instance", **where, **body)
        assert answer.status_code == HTTPStatus.ACCEPTED, answer.content
        seconds = round(fields.get("hours", 1) * 3_600)
        assert answer.parsed.change["auto_stop_seconds"] == seconds


def test_the_client_sends_only_given_parameters(client: Any) -> None:
    assert change(client).to_dict() == {}
    assert change(client, auto_stop_hours=2.5).to_dict() == {"auto_stop_hours": 2.5}


def test_lists_and_filters_are_typed(client: Any, running: Instance) -> None:
    page = call(client, "instances.list_instances", owner=running.owner_name)
    assert running.instance_id in {item.instance_id for item in page.parsed.items}
    refused = call(client, "instances.list_instances", status="NONSENSE")
    assert refused.parsed.errors[0].field == "status"


def test_costs_are_typed(client: Any) -> None:
    run = make_run(hours=2)
    Price.objects.create(
        flavor="*", running=Decimal("1.5"), currency="EUR", valid_from=date(2020, 1, 1)
    )
    days = {"since": f"{run.started_at:%Y-%m-%d}", "until": f"{run.ended_at:%Y-%m-%d}"}
    split = {
        "by": model(client, "GetCostsBy", value="cloud"),
        "step": model(client, "GetCostsStep", value="day"),
    }
    costs = call(client, "costs.get_costs", **split, **days).parsed
    assert costs.total.running_hours == 2
    assert costs.total.cost["EUR"] == "3.00"
    assert [line.key for line in costs.lines] == [run.instance.cloud.name]
    assert len(costs.trend) in {1, 2}
    (listed,) = call(client, "costs.list_runs", **days).parsed.items
    assert listed.instance_id == run.instance.instance_id
    saved = call(client, "costs.get_savings", **days).parsed
    assert saved.by["auto_stop"].stops == len(saved.items) == 1
    (price,) = call(client, "costs.list_prices").parsed.items
    assert (price.running, price.stopped) == ("1.50", None)
    refused = call(client, "costs.get_costs", since=days["since"])
    assert refused.parsed.errors[0].field == "until"
