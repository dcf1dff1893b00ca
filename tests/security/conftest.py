"""One of each: people, an instance, an edit of it, and where all routes lead."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from dashboard import logs
from dashboard.accounts.models import User
from dashboard.api.services import make_token
from dashboard.edits.models import Edit, EditBatch, EditQueue
from dashboard.handover import wallboard_services
from dashboard.handover.models import Handover, Note, WallLink
from dashboard.instances.models import Instance
from dashboard.policies.models import RuleException
from dashboard.reminders import links, services
from dashboard.reminders.links import Act
from dashboard.reminders.models import Channel, Reminder
from dashboard.saved.models import SavedView
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule

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
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def edit(instance: Instance, admin: User) -> Edit:
    """One that failed."""
    EditQueue.objects.create(instance=instance, next_seq=2)
    return add_edit(instance, admin, state="failed", base={"auto_stop_duration": 1})


@pytest.fixture
def paths(instance: Instance, edit: Edit) -> dict[str, str]:
    """The address of each route: on that instance, that edit, and what goes with them.

    Batch, rule and exception are the admin's.
    """
    return addresses(instance, edit)


def addresses(instance: Instance, edit: Edit) -> dict[str, str]:
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
    token, _ = make_token(owner=bystander, name="t", scopes=["read"], days=1)
    told = Reminder.objects.create(
        key="told",
        person=edit.actor,
        instance=instance,
        medium="mail",
        kind="stop",
        **dict.fromkeys(("moment", "created_at", "due_at", "expires_at"), Now()),
    )
    link = links.action_link(Act(edit.actor_id, told.pk, "stop"))
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
    known = {
        "token_id": token.pk,
        "token": link.rstrip("/").rpartition("/")[2],
        "channel_pk": channel.pk,
        "handover_id": handover.pk,
        "note_id": note.pk,
        "link_id": wall.pk,
        "wall_token": wallboard_services.token(wall),
        "batch_id": batch.pk,
        "rule_pk": rule.pk,
        "exception_pk": exception.pk,
        "instance_pk": instance.pk,
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "edit_id": edit.pk,
        "user_id": bystander.pk,
        "view_id": view.pk,
        "key": "x",
        "language": "de",
        "release": "x",
        "uidb36": "1",
        "provider_id": "x",
        "pk": "1",
    }
    return {
        name: reverse(name, kwargs={each: known[each] for each in arguments})
        for name, arguments in routes()
        if arguments <= known.keys()
    }
