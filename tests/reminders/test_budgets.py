"""Who hears that a budget has reached a threshold, and what they are told."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.teams import save_team
from dashboard.costs.models import Budget, BudgetWarning
from dashboard.reminders import delivery, planning
from dashboard.reminders.models import Channel, OnCall, Reminder

from .conftest import created, prefer


def make_budget(**fields: Any) -> Budget:
    values: dict[str, Any] = {"name": "GPUs", "kind": "all", "currency": "EUR"}
    return Budget.objects.create(amount=Decimal(5000), **values | fields)


def warn(budget: Budget, threshold: int = 85, **fields: Any) -> BudgetWarning:
    values: dict[str, Any] = {
        "at": timezone.now(),
        "month": date(2026, 11, 1),
        "spent": Decimal("4300.50"),
        "amount": budget.amount,
        "forecast": Decimal(6000),
        "currency": "EUR",
    }
    return BudgetWarning.objects.create(
        budget=budget, threshold=threshold, **values | fields
    )


def told(kind: str = "budget") -> set[str]:
    reminders = Reminder.objects.filter(kind=kind, is_list=False)
    return {reminder.recipient for reminder in reminders}


def test_operators_admins_and_channels_hear_of_it_once(
    operator: User, admin: User, scientist: User, manager: User, channel: Channel
) -> None:
    warn(make_budget())
    planning.plan()
    planning.plan()
    assert told() == {"operator", "admin", "Night shift"}
    assert len(created(kind="budget")) == 3
    # Days later, the inbox still has it, and nothing is added.
    planning.plan(timezone.now() + timedelta(hours=3))
    assert len(created(kind="budget")) == 3


def test_each_threshold_is_a_notification_of_its_own(admin: User) -> None:
    budget = make_budget()
    warn(budget, 50)
    planning.plan()
    warn(budget, 85)
    planning.plan()
    keys = Reminder.objects.filter(is_list=False).values_list("event", flat=True)
    assert sorted(keys) == [
        f"budget:{budget.pk}:2026-11:50",
        f"budget:{budget.pk}:2026-11:85",
    ]


def test_who_is_on_call_hears_of_it_and_nobody_is_woken_by_it(
    operator: User, admin: User
) -> None:
    now = timezone.now()
    OnCall.objects.create(
        name="operator",
        person=operator,
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=9),
    )
    warn(make_budget())
    planning.plan()
    assert told() == {"operator"}
    planning.plan(now + timedelta(hours=2))
    assert told() == {"operator"}, "a budget is not escalated"


def test_the_owner_of_a_budget_hears_of_it(
    scientist: User, stranger: User, admin: User
) -> None:
    warn(make_budget(kind="owner", value="anna.schmidt"))
    planning.plan()
    assert told() == {"scientist", "admin"}
    [reminder] = Reminder.objects.filter(person=scientist)
    assert not reminder.for_team


def test_the_members_of_a_team_and_its_deputy_hear_of_it(
    scientist: User, stranger: User, viewer: User, manager: User, admin: User
) -> None:
    team = save_team(name="A", members=[scientist], deputy=viewer, actor=admin)
    warn(make_budget(kind="team", team=team))
    planning.plan()
    assert told() == {"scientist", "viewer", "admin"}


@pytest.mark.usefixtures("channel")
def test_those_who_chose_another_scope_or_turned_it_off_do_not(
    operator: User, admin: User, scientist: User
) -> None:
    prefer(operator, scope="owner", owner="somebody")
    prefer(admin, scope="all", on_budget=False)
    prefer(scientist, on_budget=False)
    Channel.objects.update(scope="owner", owner="anna.schmidt")
    warn(make_budget())
    planning.plan()
    assert told() == set()
    warn(make_budget(name="Hers", kind="owner", value="anna.schmidt"))
    planning.plan()
    assert told() == {"Night shift"}


@pytest.mark.parametrize(
    ("language", "subject", "lines"),
    [
        (
            "",
            "Budget “GPUs” has reached 85%",
            ("Spent this month: 4,300.50 EUR of 5,000.00 EUR", "6,000.00 EUR"),
        ),
        (
            "de",
            "Budget „GPUs“ hat 85 % erreicht",
            ("Diesen Monat ausgegeben: 4.300,50 EUR von 5.000,00 EUR", "6.000,00 EUR"),
        ),
    ],
)
def test_the_mail_names_what_is_spent_and_the_forecast(
    with_mail: None, admin: User, language: str, subject: str, lines: tuple[str, ...]
) -> None:
    admin.email, admin.language = "ada@example.org", language
    admin.save()
    prefer(admin, by_mail=True, in_page=False, scope="all")
    warn(make_budget())
    planning.plan()
    delivery.deliver(Reminder.objects.get().pk)
    [sent] = mail.outbox
    assert sent.subject == subject
    for line in (*lines, Budget.objects.get().get_absolute_url()):
        assert line in sent.body


def test_the_inbox_leads_to_the_budget(client: Client, admin: User) -> None:
    budget = make_budget()
    warn(budget, forecast=None, at=datetime.now(UTC))
    planning.plan()
    client.force_login(admin)
    page = client.get("/reminders/").text
    assert "Budget “GPUs” has reached 85%" in page
    assert budget.get_absolute_url() in page
    assert "Forecast for the month" not in page
