"""What budgets have spent, their thresholds, and their pages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.teams import save_team
from dashboard.audit.models import AuditEvent
from dashboard.costs import budgets, tasks
from dashboard.costs.models import Budget, BudgetWarning, Gap, Price
from dashboard.instances.models import Cloud
from tests.factories import make_cloud, make_run

LIST = "/costs/budgets/"
# The 11th of November, 0:00: a third of the month has passed.
NOW = datetime(2026, 11, 11, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _prices(db: None) -> None:
    """An hour costs 1 EUR."""
    Price.objects.create(
        flavor="*", running=1, currency="EUR", valid_from=date(2026, 1, 1), stopped=0
    )


def make_budget(**fields: Any) -> Budget:
    values: dict[str, Any] = {
        "name": "Everything",
        "kind": "all",
        "amount": Decimal(200),
        "currency": "EUR",
    }
    return Budget.objects.create(**values | fields)


def spend(hours: float, **fields: Any) -> None:
    """A run that ended yesterday."""
    started_at = timezone.now() - DAY - timedelta(hours=hours)
    make_run(started_at=started_at, hours=hours, **fields)


def now_of(budget: Budget) -> budgets.Standing:
    return budgets.standing(budget, timezone.now())


def test_the_forecast_is_the_pace_of_the_time_that_has_passed() -> None:
    spend(60)
    standing = now_of(make_budget())
    assert (standing.spent, standing.percent) == (Decimal(60), 30)
    assert (standing.forecast, standing.forecast_percent) == (Decimal(180), 90)
    assert not standing.is_going_over
    spend(10)
    assert now_of(standing.budget).is_going_over


def test_the_first_day_has_no_forecast(clock: time_machine.Traveller) -> None:
    clock.move_to(datetime(2026, 11, 1, 12, tzinfo=UTC))
    now = timezone.now()
    make_run(started_at=now - timedelta(hours=6), hours=5)
    standing = now_of(make_budget())
    assert (standing.spent, standing.forecast) == (Decimal(5), None)


def test_summer_time_shortens_a_month(
    settings: Any, clock: time_machine.Traveller
) -> None:
    zone = {"report_time_zone": "Europe/Berlin"}
    settings.CURFEW = settings.CURFEW.model_copy(update=zone)
    clock.move_to(datetime(2026, 3, 31, 21, tzinfo=UTC))
    # The month has 743 hours in Berlin. The first hour of the run was in February.
    make_run(started_at=datetime(2026, 2, 28, 22, tzinfo=UTC), hours=743)
    standing = now_of(make_budget())
    assert standing.month == date(2026, 3, 1)
    assert (standing.spent, standing.forecast) == (Decimal(742), Decimal(743))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("all", ""),
        ("cloud", "other"),
        ("workspace", "w1"),
        ("owner", "li.wei"),
        ("tag", "team"),
        ("tag", "team=vision"),
    ],
)
def test_each_kind_counts_what_it_is_about(kind: str, value: str) -> None:
    spend(
        20,
        cloud=make_cloud("other"),
        owner_name="li.wei",
        workspace_id="w1",
        tags={"team": "vision"},
    )
    spend(5)
    standing = now_of(make_budget(kind=kind, value=value))
    assert standing.spent == (Decimal(25) if kind == "all" else Decimal(20))


def test_a_team_is_its_owners_and_workspaces(admin: User, scientist: User) -> None:
    team = save_team(name="Vision", members=[scientist], workspaces=["w1"], actor=admin)
    spend(20, owner_name="anna.schmidt", owner_id="1")
    spend(5, owner_name="li.wei", owner_id="2", workspace_id="w1")
    spend(3, owner_name="li.wei", owner_id="2")
    assert now_of(make_budget(kind="team", team=team)).spent == Decimal(25)


def test_what_is_missing_is_said(client: Client, viewer: User) -> None:
    Price.objects.all().delete()
    Price.objects.create(
        flavor="gpu", running=2, currency="USD", valid_from=date(2026, 1, 1)
    )
    spend(7, flavor="gpu")
    spend(3, flavor="cpu")
    cloud = Cloud.objects.get()
    Gap.objects.create(cloud=cloud, since=NOW - 40 * DAY, until=NOW - 39 * DAY)
    make_budget()
    client.force_login(viewer)
    page = client.get(LIST).text
    assert "14.00" in page
    assert "in another currency do not count" in page
    assert "3 h have no price and do not count" in page
    assert "are unknown" not in page, "the gap was before this month"


class TestWarnings:
    def noted(self) -> list[int]:
        tasks.check_budgets()
        rows = BudgetWarning.objects.order_by("pk")
        return [*rows.values_list("threshold", flat=True)]

    def test_each_threshold_is_noted_once_a_month(
        self, clock: time_machine.Traveller
    ) -> None:
        budget = make_budget(amount=Decimal(100))
        spend(49)
        assert self.noted() == []
        spend(1)
        assert self.noted() == self.noted() == [50]
        warning = budget.warnings.get()
        assert (warning.spent, warning.amount) == (Decimal(50), Decimal(100))
        assert (warning.forecast, warning.currency) == (Decimal(150), "EUR")
        spend(40)
        assert self.noted() == [50, 85]
        spend(40)
        assert self.noted() == [50, 85, 100]
        clock.move_to(NOW + 30 * DAY)
        spend(60)
        assert self.noted() == [50, 85, 100, 50]

    def test_of_several_at_once_only_the_highest_is_noted(self) -> None:
        make_budget(amount=Decimal(100))
        spend(90)
        assert self.noted() == self.noted() == [85]

    def test_a_changed_amount_repeats_nothing(self) -> None:
        budget = make_budget(amount=Decimal(100))
        spend(90)
        assert self.noted() == [85]
        Budget.objects.update(amount=Decimal(170))
        assert self.noted() == [85]
        Budget.objects.update(amount=Decimal(100))
        assert self.noted() == [85]
        Budget.objects.update(amount=Decimal(80))
        assert self.noted() == [85, 100]
        assert budget.warnings.filter(threshold=100).get().amount == Decimal(80)


def both(event: AuditEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an event says was before, and what is after it."""
    return event.before, event.after


class TestPages:
    def typed(self, **fields: Any) -> dict[str, Any]:
        values = {"name": "GPUs", "kind": "owner", "owner": "li.wei"}
        return values | {"amount": "250.50", "currency": "EUR"} | fields

    def test_an_operator_writes_and_removes_a_budget(
        self, client: Client, operator: User
    ) -> None:
        spend(100, owner_name="li.wei")
        client.force_login(operator)
        page = client.get(f"{LIST}new/").text
        assert "Prices are in EUR." in page
        answer = client.post(f"{LIST}new/", self.typed())
        budget = Budget.objects.get()
        assert answer.headers["Location"] == budget.get_absolute_url()
        assert (budget.kind, budget.value) == ("owner", "li.wei")
        page = client.get(budget.get_absolute_url()).text
        for text in (
            "GPUs",
            "100.00",
            "250.50",
            "39\N{NO-BREAK SPACE}%",
            "November 2026",
        ):
            assert text in page
        changed = self.typed(kind="tag", tag="team=a", owner="")
        edit = f"{budget.get_absolute_url()}edit/"
        assert client.post(edit, changed).status_code == 303
        budget.refresh_from_db()
        assert (budget.kind, budget.value) == ("tag", "team=a")
        remove = f"{budget.get_absolute_url()}remove/"
        assert client.post(remove).headers["Location"] == LIST
        assert not Budget.objects.exists()
        events = AuditEvent.objects.filter(target_kind="budget").order_by("pk")
        assert [event.action for event in events] == [
            *("budget.added", "budget.changed", "budget.removed"),
        ]
        values = [(item["kind"], item["value"]) for item in both(events[1])]
        assert values == [("owner", "li.wei"), ("tag", "team=a")]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"owner": ""}, "Say what the budget is for."),
            ({"owner": "nobody"}, "Select a valid choice"),
            ({"kind": "tag", "tag": 'a"b'}, "no quotation marks"),
            ({"kind": "tag"}, "Say what the budget is for."),
            ({"kind": "team"}, "Select a valid choice"),
            ({"currency": "eur"}, "Enter a currency such as"),
            ({"amount": "0"}, "greater than or equal to 0.01"),
            ({"amount": "NaN"}, "Enter a number"),
            ({"name": " "}, "This field is required"),
        ],
    )
    def test_what_is_refused(
        self, client: Client, admin: User, fields: dict[str, str], error: str
    ) -> None:
        spend(1, owner_name="li.wei")
        client.force_login(admin)
        answer = client.post(f"{LIST}new/", self.typed(**fields))
        assert answer.status_code == 422
        assert error in answer.text
        assert not Budget.objects.exists()

    def test_those_who_see_all_costs_read_and_others_do_not_write(
        self, client: Client, manager: User
    ) -> None:
        budget = make_budget()
        client.force_login(manager)
        assert "New budget" not in client.get(LIST).text
        assert client.get(budget.get_absolute_url()).status_code == 200
        for path in (f"{LIST}new/", f"{budget.get_absolute_url()}edit/"):
            assert client.get(path).status_code == 403
            assert client.post(path, self.typed()).status_code == 403
        remove = f"{budget.get_absolute_url()}remove/"
        assert client.post(remove).status_code == 403

    def test_a_scientist_sees_those_of_their_own_and_of_their_team(
        self, client: Client, admin: User, scientist: User
    ) -> None:
        team = save_team(name="Vision", members=[scientist], actor=admin)
        other = save_team(name="Other", actor=admin)
        mine = make_budget(name="Mine", kind="owner", value="anna.schmidt")
        make_budget(name="Theirs", kind="team", team=team)
        hidden = make_budget(name="Of another", kind="team", team=other)
        make_budget(name="Of all")
        client.force_login(scientist)
        page = client.get(LIST).text
        assert "Mine" in page
        assert "Theirs" in page
        assert "Of another" not in page
        assert "Of all" not in page
        assert client.get(mine.get_absolute_url()).status_code == 200
        assert client.get(hidden.get_absolute_url()).status_code == 404

    def test_past_months_are_listed_back_to_the_first_with_costs(
        self, client: Client, viewer: User
    ) -> None:
        started_at = datetime(2026, 8, 31, 20, tzinfo=UTC)
        make_run(started_at=started_at, hours=10)
        budget = make_budget()
        months = budgets.past(budget, timezone.now())
        assert [(item.month.month, item.spent) for item in months] == [
            *((11, 0), (10, 0), (9, 6), (8, 4)),
        ]
        client.force_login(viewer)
        page = client.get(budget.get_absolute_url()).text
        assert "August 2026" in page
        assert "July 2026" not in page
