"""A client that is generated from the OpenAPI document, as its users would make one."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.api.services import make_token
from dashboard.api.urls import document
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance
from tests.edits.conftest import running as _running
from tests.edits.deliveries import deliver, puts

pytestmark = pytest.mark.usefixtures("_empty_cache", "transactional_db")

running = _running

SETTINGS = (
    *("description", "auto_stop_enable", "auto_stop_seconds", "auto_stop_hours"),
    *("prompt", "name", "status"),
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the client's package, made from the document that the site serves."""
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
    """It, with a token."""
    _, secret = make_token(
        owner=operator, name="generated", scopes=["read", "write"], days=1
    )
    made = importlib.import_module(generated)
    with made.AuthenticatedClient(base_url=live_server.url, token=secret) as known:
        yield known


def call(client: Any, where: str, **values: Any) -> Any:
    package = type(client).__module__.partition(".")[0]
    module = importlib.import_module(f"{package}.api.{where}")
    return module.sync_detailed(client=client, **values)


def change(client: Any, **fields: Any) -> Any:
    package = type(client).__module__.partition(".")[0]
    return importlib.import_module(f"{package}.models").Change(**fields)


def test_it_changes_one_field_and_every_other_stays(
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
    wish = {
        "cloud": running.cloud.name,
        "instance_id": running.instance_id,
        "body": change(client, description="Once"),
        "idempotency_key": "k-1",
    }
    first = call(client, "instances.change_instance", **wish)
    again = call(client, "instances.change_instance", **wish)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.parsed.id == again.parsed.id
    assert Edit.objects.count() == 1
    other = wish | {"body": change(client, description="Once", auto_stop_hours=4)}
    assert call(client, "instances.change_instance", **other).status_code == 409
    assert Edit.objects.count() == 1


def test_it_sends_nothing_that_was_not_said(client: Any) -> None:
    assert change(client).to_dict() == {}
    assert change(client, auto_stop_hours=2.5).to_dict() == {"auto_stop_hours": 2.5}


def test_lists_and_filters_are_typed(client: Any, running: Instance) -> None:
    listed = call(client, "instances.list_instances", owner=running.owner_name)
    assert running.instance_id in {one.instance_id for one in listed.parsed.items}
    refused = call(client, "instances.list_instances", status="NONSENSE")
    assert refused.parsed.errors[0].field == "status"
