"""Prices as programs read, set and remove them."""

from datetime import date
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.costs.models import Price
from tests.factories import make_run

from .conftest import Program, Programs
from .costs import ProblemCheck, at, get, price
from .test_document import conforms

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_november")]


def test_prices_are_listed(asks: Program, admin: User) -> None:
    price("2")
    price("1.234567", valid_from=date(2026, 6, 1), stopped=None, created_by=admin)
    found = get(asks, "/prices", "")["items"]
    new, old = found
    assert (new["running"], new["stopped"]) == ("1.234567", None)
    assert (new["valid_from"], new["created_by"]) == ("2026-06-01", "admin")
    assert (old["running"], old["stopped"], old["created_by"]) == ("2.00", "0.50", None)
    assert (old["cloud"], old["flavor"]) == ("*", "modelarts.*")


PRICE = {"flavor": "modelarts.*", "running": "4.2", "currency": "EUR"}
PRICE |= {"valid_from": "2026-11-20"}


def test_admins_set_and_remove_prices(program: Programs, admin: User) -> None:
    asks = program(admin)
    created = asks("post", "/prices", PRICE)
    assert created.status_code == 201, created.content
    conforms(created.json(), "/prices", "post", created)
    new = created.json()
    assert (new["running"], new["stopped"], new["cloud"]) == ("4.20", None, "*")
    assert new["created_by"] == "admin"
    again = asks("post", "/prices", PRICE)
    assert (again.status_code, again.json()) == (200, new)
    dearer = asks("post", "/prices", PRICE | {"running": "5", "stopped": "0.1"})
    assert dearer.status_code == 200
    assert (dearer.json()["id"], dearer.json()["stopped"]) == (new["id"], "0.10")
    path = f"/prices/{new['id']}"
    assert asks("delete", path).status_code == 204
    assert asks("delete", path).status_code == 404
    actions = ["price.added", "price.replaced", "price.removed"]
    events = AuditEvent.objects.filter(action__in=actions).order_by("pk")
    assert list(events.values_list("action", flat=True)) == actions


def test_the_past_changes_only_on_purpose(
    program: Programs, problem: ProblemCheck, admin: User
) -> None:
    asks = program(admin)
    make_run(started_at=at(10), hours=1)
    price("2")
    body = PRICE | {"valid_from": "2026-11-01"}
    refused = problem(asks("post", "/prices", body), 422, "invalid")
    assert [error["field"] for error in refused["errors"]] == ["past"]
    assert asks("post", "/prices", body | {"past": True}).status_code == 201
    refused = problem(asks("post", "/prices", body | {"running": "3"}), 422, "invalid")
    assert [error["field"] for error in refused["errors"]] == ["valid_from"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"running": "much"}, "running"),
        ({"running": "-1"}, "running"),
        ({"running": 4.2}, "running"),
        ({"stopped": "1.1234567"}, "stopped"),
        ({"currency": "euro"}, "currency"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"cloud": "nowhere"}, "cloud"),
        ({"flavor": ""}, "flavor"),
        ({"price": "1"}, "price"),
    ],
)
def test_prices_that_are_wrong(
    program: Programs,
    problem: ProblemCheck,
    admin: User,
    fields: dict[str, Any],
    field: str,
) -> None:
    response = program(admin)("post", "/prices", PRICE | fields)
    errors = problem(response, 422, "invalid")["errors"]
    assert field in {error["field"] for error in errors}
    assert not Price.objects.exists()


@pytest.mark.parametrize("person", ["viewer", "scientist", "manager", "operator"])
def test_others_set_no_prices(
    program: Programs,
    problem: ProblemCheck,
    person: str,
    request: pytest.FixtureRequest,
) -> None:
    stored, asks = price(), program(request.getfixturevalue(person))
    problem(asks("post", "/prices", PRICE), 403, "forbidden")
    problem(asks("delete", f"/prices/{stored.pk}"), 403, "forbidden")
    assert Price.objects.get() == stored
