"""One of each: people, an instance, an edit of it, and where all routes lead."""

import io
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard import logs
from dashboard.accounts.models import User
from dashboard.accounts.teams import save_team
from dashboard.api.services import create_token
from dashboard.costs.models import Budget, PriceProposal
from dashboard.digests.links import off_url
from dashboard.edits.models import Edit, EditBatch, EditQueue
from dashboard.handover import wallboard_services
from dashboard.handover.models import Handover, Note, WallLink
from dashboard.instances.models import Instance
from dashboard.policies.models import Question, RuleException
from dashboard.reminders import links, services
from dashboard.reminders.links import ActionLink, QuestionLink
from dashboard.reminders.models import Channel, Reminder
from dashboard.saved.models import SavedView
from dashboard.schedules.models import HolidayCalendar
from dashboard.setup import links as setup_links
from tests.costs.prices import make_price
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule
from tests.schedules.conftest import make_schedule

from .routes import routes


@pytest.fixture
def deactivated(db: None) -> User:
    """Was an admin until lately; the session is still there."""
    return User.objects.create_user(
        username="deactivated", role=User.Role.ADMIN, is_active=False
    )


@pytest.fixture
def person(request: pytest.FixtureRequest, client: Client) -> str:
    """Who asks, signed in; parametrize it indirectly with a name of ``PEOPLE``."""
    name: str = request.param
    if name != "anonymous":
        client.force_login(request.getfixturevalue(name))
    return name


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything logged, down to DEBUG, as it would reach standard error."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # Django describes each absent variable of a template at length, at DEBUG only.
    templates = logging.getLogger("django.template")
    templates_level = templates.level
    templates.setLevel(logging.INFO)
    yield text
    templates.setLevel(templates_level)
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of the setup exist."""
    monkeypatch.setattr(settings.CURFEW, "data_dir", tmp_path)


@pytest.fixture
def edit(instance: Instance, admin: User) -> Edit:
    """One that failed."""
    return make_edit(instance, admin)


@pytest.fixture
def paths(instance: Instance, edit: Edit) -> Mapping[str, str]:
    """The address of each route: on that instance, that edit, and what goes with them.

    Batch, rule and exception are the admin's.
    """
    return addresses(instance, edit)


def make_edit(instance: Instance, actor: User) -> Edit:
    """An edit that failed."""
    EditQueue.objects.create(instance=instance, next_seq=2)
    return add_edit(instance, actor, state="failed", base={"auto_stop_duration": 1})


@cache
def _arguments() -> dict[str, frozenset[str]]:
    return dict(routes())


class Addresses(Mapping[str, str]):
    """The address of each route that these arguments are enough for.

    Reversed when asked for: to reverse them all takes longer than most of the tests.
    """

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> str:
        needed = _arguments()[name]
        if not needed <= self._known.keys():
            raise KeyError(name)
        return reverse(name, kwargs={each: self._known[each] for each in needed})

    def __iter__(self) -> Iterator[str]:
        return (
            name
            for name, needed in _arguments().items()
            if needed <= self._known.keys()
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def addresses(instance: Instance, edit: Edit) -> Mapping[str, str]:
    """The same for any instance and edit."""
    bystander = User.objects.create_user(username="bystander", role=User.Role.VIEWER)
    view = SavedView.objects.create(owner=bystander, name="Shared", shared=True)
    batch = EditBatch.objects.create(
        actor=edit.actor, kind="update", confirmed_at=Now()
    )
    rule = make_rule()
    exception = RuleException.objects.create(
        rule=make_rule(name="Other"),
        instance=instance,
        reason="Measured tonight.",
        until=Now(),
        asked_by=bystander,
    )
    token, _ = create_token(owner=bystander, name="t", scopes=["read"], days=1)
    told = Reminder.objects.create(
        key="told",
        person=edit.actor,
        instance=instance,
        medium="mail",
        kind="stop",
        **dict.fromkeys(("moment", "created_at", "due_at", "expires_at"), Now()),
    )
    link = links.action_path(ActionLink(edit.actor_id, told.pk, "stop"))
    question = Question.objects.create(
        rule=rule,
        instance=instance,
        run_seen_since=Now(),
        asked_at=Now(),
        deadline=timezone.now() + timedelta(days=1),
    )
    answer = links.answer_path(QuestionLink(edit.actor_id, question.pk, "yes"))
    off = off_url(bystander)
    channel = Channel(name="Team", scope="all")
    keeper = User.objects.create_user(username="keeper", role=User.Role.ADMIN)
    services.save_channel(
        channel=channel, actor=keeper, address="https://example.org/hook"
    )
    handover = Handover.objects.create(
        author=edit.actor, changed_by=edit.actor, since=Now()
    )
    note = Note.objects.create(handover=handover, changed_by=edit.actor)
    wall = WallLink.objects.create(name="Wall", key="crossing", made_by=edit.actor)
    schedule = make_schedule(mode="dry_run")
    known = {
        "token_id": token.pk,
        "token": link.rstrip("/").rpartition("/")[2],
        "question_pk": question.pk,
        "question_id": question.pk,
        "answer_token": answer.rstrip("/").rpartition("/")[2],
        "setup_token": setup_links.create_link().rstrip("/").rpartition("/")[2],
        "off_token": off.rstrip("/").rpartition("/")[2],
        "channel_pk": channel.pk,
        "reminder_pk": told.pk,
        "handover_id": handover.pk,
        "note_id": note.pk,
        "link_id": wall.pk,
        "wall_token": wallboard_services.token(wall),
        "batch_id": batch.pk,
        "rule_pk": rule.pk,
        "schedule_pk": schedule.pk,
        "schedule_id": schedule.pk,
        "calendar_pk": HolidayCalendar.objects.create(name="Holidays").pk,
        "calendar": "Holidays",
        "budget_pk": Budget.objects.create(
            name="All", kind="all", amount=100, currency="EUR"
        ).pk,
        "exception_pk": exception.pk,
        "price_pk": make_price().pk,
        "price_id": make_price(flavor="modelarts.vm.other").pk,
        "proposal_pk": PriceProposal.objects.create(
            cloud=instance.cloud.name, asked_at=timezone.now()
        ).pk,
        "instance_pk": instance.pk,
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "edit_id": edit.pk,
        "user_id": bystander.pk,
        "team_id": save_team(name="Team", actor=keeper).pk,
        "view_id": view.pk,
        "key": "x",
        "language": "de",
        "release": "x",
        "uidb36": "1",
        "provider_id": "x",
        "pk": "1",
    }
    return Addresses(known)
