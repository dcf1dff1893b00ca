"""What the OpenAPI document allows, and what it does not, sent to every operation."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from dashboard.accounts.models import User
from dashboard.api import auth
from dashboard.api.services import make_token
from dashboard.edits.batches import draft_batch
from dashboard.edits.models import Edit, EditBatch, EditQueue
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance
from tests.instances.pages import add_edit

pytestmark = pytest.mark.usefixtures("_empty_cache")

EXAMPLES = 6
"""At random for each operation, besides those that schemathesis derives from it."""

NAMING = frozenset(
    {
        *("GET /api/v1/instances", "GET /api/v1/due", "GET /api/v1/edits"),
        *("GET /api/v1/audit", "PATCH /api/v1/instances/{cloud}/{instance_id}"),
        "POST /api/v1/bulk",
    }
)
"""Some fields name what has to be there, or must fit each other, as no schema says."""


@pytest.fixture
def _connected() -> Iterator[None]:
    """Whole requests close the database's connection, which here is the test's own."""
    ends = (signals.request_started, signals.request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


@pytest.fixture
def described(
    _connected: None, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The document, and the application that it describes, at any pace."""
    monkeypatch.setattr(auth, "BAD_TOKENS_PER_MINUTE", 0)
    unlimited = {"api_requests_per_minute": 0}
    settings.CURFEW = settings.CURFEW.model_copy(update=unlimited)
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())


schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def secret(operator: User) -> str:
    """The text of a token."""
    _, text = make_token(
        owner=operator, name="st", scopes=["read", "write", "audit"], days=1
    )
    return text


class Known:
    """What is there to be named by an address, the same for each request."""

    def __init__(self, operator: User) -> None:
        self._operator = operator
        self._instance = make_instance()
        EditQueue.objects.create(instance=self._instance, next_seq=2)

    def parameters(self) -> dict[str, str]:
        """For the path."""
        Edit.objects.all().delete()
        EditBatch.objects.all().delete()
        edit = add_edit(self._instance, self._operator, state="failed", base={})
        batch = draft_batch(
            actor=self._operator, selection=[self._instance.pk], source=verbatim("x")
        )
        return {
            "cloud": self._instance.cloud.name,
            "instance_id": self._instance.instance_id,
            "edit_id": str(edit.pk),
            "batch_id": str(batch.pk),
        }


@pytest.fixture
def known(operator: User) -> Known:
    """It."""
    return Known(operator)


@pytest.mark.timeout(600)  # one test for the whole document
@schema.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_answers_as_it_says(
    case: Any, secret: str, known: Known
) -> None:
    path = case.meta.components.get(ParameterLocation.PATH)
    if path and path.mode == GenerationMode.POSITIVE:
        named = known.parameters()
        case.path_parameters = {name: named[name] for name in case.path_parameters}
    headers = {"Authorization": f"Bearer {secret}", "Accept-Encoding": "identity"}
    names_something = case.operation.label in NAMING
    case.call_and_validate(
        headers=headers,
        excluded_checks=[positive_data_acceptance] if names_something else [],
    )
