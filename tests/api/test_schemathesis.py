"""Valid and invalid requests to every operation, generated from the document."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings as hypothesis_settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from dashboard.accounts.models import User
from dashboard.api import auth
from dashboard.api.services import create_token
from dashboard.costs.models import Price
from dashboard.edits.batches import draft_batch
from dashboard.edits.models import Edit, EditBatch, EditQueue
from dashboard.schedules.models import HolidayCalendar
from dashboard.web.stored_messages import verbatim
from tests.factories import make_notebook, make_price, make_run
from tests.instances.pages import add_edit
from tests.policies.conftest import make_question, make_rule
from tests.schedules.conftest import make_schedule

pytestmark = pytest.mark.usefixtures("_empty_cache")

EXAMPLES = 6
"""At random for each operation, besides those that schemathesis derives from it."""

NAMING = frozenset(
    {
        *("GET /api/v1/instances", "GET /api/v1/due", "GET /api/v1/edits"),
        *("GET /api/v1/costs", "GET /api/v1/runs", "GET /api/v1/savings"),
        *("GET /api/v1/audit", "PATCH /api/v1/instances/{cloud}/{instance_id}"),
        "POST /api/v1/instances/{cloud}/{instance_id}/start",
        "POST /api/v1/instances/{cloud}/{instance_id}/extend",
        "POST /api/v1/instances/{cloud}/{instance_id}/override",
        *("POST /api/v1/schedules", "PUT /api/v1/schedules/{schedule_id}"),
        *("PUT /api/v1/holidays/{calendar}", "POST /api/v1/prices"),
        "POST /api/v1/bulk",
    }
)
"""Some fields name what has to be there, or must fit each other, as no schema says."""


@pytest.fixture
def _connected() -> Iterator[None]:
    """Keep the test's connection open, which requests would close."""
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
    """Load the document, with the application and without rate limits."""
    monkeypatch.setattr(auth, "BAD_TOKENS_PER_MINUTE", 0)
    unlimited = {"api_requests_per_minute": 0}
    settings.CURFEW = settings.CURFEW.model_copy(update=unlimited)
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())


schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def secret(operator: User) -> str:
    """Return the text of a token."""
    _, text = create_token(
        owner=operator, name="st", scopes=["read", "write", "audit"], days=1
    )
    return text


class Known:
    """Objects that paths can name."""

    def __init__(self, operator: User) -> None:
        self._operator = operator
        self._instance = make_notebook()
        self._schedule = make_schedule()
        make_run(instance=self._instance)
        rule = make_rule(kind="still_needed", max_seconds=3600, mode="report")
        self._question = make_question(rule, self._instance)
        EditQueue.objects.create(instance=self._instance, next_seq=2)

    def parameters(self) -> dict[str, str]:
        """Return parameters for the path."""
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
            "schedule_id": str(self._schedule.pk),
            "question_id": str(self._question.pk),
            "price_id": str((Price.objects.first() or make_price()).pk),
            "calendar": HolidayCalendar.objects.get_or_create(name="Home")[0].name,
        }


@pytest.fixture
def known(operator: User) -> Known:
    """Objects that paths can name."""
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
