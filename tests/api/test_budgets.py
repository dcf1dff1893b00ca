"""Budgets as programs read them."""

from decimal import Decimal
from typing import Any

import pytest

from dashboard.accounts.models import Team, User
from dashboard.costs.models import Budget
from tests.factories import make_cloud, make_run

from .conftest import Program, Programs
from .costs import at, get, price

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_november")]


def budget(**fields: Any) -> Budget:
    values = {"name": "All", "kind": "all", "amount": Decimal(40), "currency": "EUR"}
    return Budget.objects.create(**values | fields)


def test_budgets_with_what_is_spent(asks: Program) -> None:
    price("2", stopped=Decimal(0))
    price("3", cloud="far", currency="CNY", stopped=Decimal(0))
    make_run(started_at=at(10, 8), hours=10)
    make_run(started_at=at(10, 8), hours=4, cloud=make_cloud("far"))
    make_run(started_at=at(10, 8), hours=1.5, flavor="other")
    stored = budget()
    (found,) = get(asks, "/budgets", "")["items"]
    # At 12:00 on the 20th, 19.5 of 30 days have passed.
    assert found == {
        "id": stored.pk,
        "name": "All",
        "kind": "all",
        "value": "",
        "amount": "40.00",
        "currency": "EUR",
        "month": "2026-11-01",
        "spent": "20.00",
        "percent": 50,
        "threshold": 50,
        "forecast": "30.77",
        "other_currencies": {"CNY": "12.00"},
        "unpriced_hours": 1.5,
        "unknown_hours": 0,
        "url": f"/costs/budgets/{stored.pk}/",
    }


def test_scientists_see_budgets_of_theirs(
    program: Programs, scientist: User, stranger: User, viewer: User
) -> None:
    budget()
    budget(name="Anna", kind="owner", value="anna.schmidt")
    team = Team.objects.create(name="Vision")
    team.members.add(scientist)
    budget(name="Team", kind="team", team=team)

    def names(person: User) -> list[tuple[str, str]]:
        found = get(program(person), "/budgets", "")["items"]
        return [(item["name"], item["value"]) for item in found]

    assert names(scientist) == [("Anna", "anna.schmidt"), ("Team", "Vision")]
    assert names(stranger) == []
    assert len(names(viewer)) == 3
