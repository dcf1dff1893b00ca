"""What has changed since a handover, and which handover came next."""

from datetime import timedelta
from itertools import product

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.handover.models import Handover
from dashboard.handover.since_published import changes_since, next_handover
from dashboard.instances.models import Instance
from dashboard.policies.models import RuleException
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud, make_instance
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule

from .handovers import lines, make_draft, publish


def test_changes_since_a_handover_take_15_lines(
    draft: Handover, operator: User, admin: User
) -> None:
    handover = publish(draft, operator)
    assert changes_since(handover, user=operator, now=timezone.now()) == []
    now = timezone.now()
    old = now - timedelta(days=1)
    statuses = "RUNNING STOPPED STARTING STOPPING START_FAILED DREAMING CREATING"
    for status in statuses.split():
        for _ in range(7):
            make_instance(status=status, status_since=now, first_seen_at=old)
    make_instance(status="STOPPED", missing_since=now, first_seen_at=old)
    new = make_instance(name="new")
    for number, (kind, actor) in enumerate(
        product(("stop", "start", "update", "extend"), (operator, admin))
    ):
        for key in "ab":
            add_edit(
                new, actor, f"{number}{key}", kind=kind, seq=10 * number + ord(key)
            )
    for name in ("One", "Two"):
        RuleException.objects.create(
            rule=make_rule(name=name),
            instance=new,
            reason="x",
            until=now,
            asked_by=admin,
        )
    for name in ("north", "south"):
        make_cloud(name, problem=verbatim("It does not answer."), problem_since=now)
    changes = changes_since(handover, user=operator, now=now)
    parts = dict(changes)
    assert list(parts) == ["Instances", "Changes", "Requests", "Clouds"]
    count = sum(len(part.items) + bool(part.hidden) for part in parts.values())
    assert count == 15
    first = lines([parts["Instances"]])
    assert first[0].startswith("Failed: 7 · ")
    assert first[-1] == "New: 1 · new"


def test_the_next_handover(draft: Handover, operator: User, instance: Instance) -> None:
    first = publish(draft, operator)
    second = publish(make_draft(operator), operator)
    third = publish(make_draft(operator), operator)
    assert next_handover(first) == second
    assert next_handover(second) == third
    assert next_handover(third) is None
