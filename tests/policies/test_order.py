"""Of the policies of one kind, the first enforced one counts, wherever it is asked."""

import importlib
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import dispatch, enforcement
from dashboard.edits.authority import why_withdrawn
from dashboard.edits.models import Edit
from dashboard.instances.models import FleetVersion, Instance
from dashboard.policies import selectors, services
from dashboard.policies.effects import effect
from dashboard.policies.history import history
from dashboard.policies.models import Rule
from dashboard.policies.remedies import remedies
from dashboard.policies.rules import applicable, matches
from tests.factories import make_instance, make_notebook

from .conftest import make_rule

pytestmark = pytest.mark.django_db

HOUR = 3600
TYPED = {"name": "New", "reason": "Money.", "kind": "max_hours", "max_hours": "8"}


def at_most(hours: int, **fields: Any) -> Rule:
    """Create a maximum, after the others."""
    defaults = {"name": f"At most {hours} h", "kind": "max_hours"}
    position = selectors.last_position() + 1
    values = defaults | {"max_seconds": hours * HOUR, "position": position} | fields
    return make_rule(**values)


@pytest.fixture
def tagged() -> Instance:
    """A notebook that has run for ten hours and goes on for two."""
    return make_notebook(
        tags={"env": "prod"},
        run_started_at=timezone.now() - timedelta(hours=10),
        status_since=timezone.now() - timedelta(hours=10),
        stops_in=7200,
    )


def test_the_first_enforced_one_of_a_kind_counts(tagged: Instance) -> None:
    report = at_most(1, mode="report")
    elsewhere = at_most(2, tag="env=test")
    first = at_most(24, tag="env=prod")
    other_kind = make_rule()
    second, late_report = at_most(8), at_most(9, mode="report")
    rules = [late_report, second, other_kind, first, elsewhere, report]
    found = {match.rule: match.shadowed_by for match in matches(rules, tagged)}
    assert found == {
        report: None,
        first: None,
        other_kind: None,
        second: first,
        late_report: first,
    }
    assert second not in applicable(rules, tagged)


def test_the_status_is_part_of_the_scope_that_shadows(tagged: Instance) -> None:
    stopped, always = at_most(4, status="STOPPED"), at_most(8)
    assert applicable([stopped, always], tagged) == [always]
    assert applicable([stopped, always], tagged, "STOPPED") == [stopped]


def test_refusals_limits_and_violations_agree(tagged: Instance, admin: User) -> None:
    wide, strict = at_most(24, tag="env"), at_most(8)
    now = timezone.now()
    assert tagged.run_started_at
    end = tagged.run_started_at + timedelta(hours=20)
    longer = {"stop_timestamp_ms": round(end.timestamp() * 1000)}
    assert not selectors.refused(tagged, {}, longer, now, starts=False)
    assert [item.rule for item in selectors.limits_of_end(tagged, now)] == [wide]
    assert [item.rule for item in selectors.limits_of_start(tagged, now)] == [wide]
    assert not remedies(strict, now)
    found = selectors.compliance(admin, now, limit=9)
    assert [(item.rule, item.number) for item in found] == [(wide, 0), (strict, 0)]
    assert history(strict, now).runs == 0

    services.move_rule(rule=strict, actor=admin, is_up=True)
    strict.refresh_from_db()
    refused = selectors.refused(tagged, {}, longer, now, starts=False)
    assert [item.rule for item in refused] == [strict]
    assert [item.rule for item in selectors.limits_of_end(tagged, now)] == [strict]
    assert [item.rule for item in selectors.limits_of_start(tagged, now)] == [strict]
    assert [item.instance for item in remedies(strict, now)] == [tagged]
    FleetVersion.stamp()
    found = selectors.compliance(admin, now, limit=9)
    assert [(item.rule, item.number) for item in found] == [(strict, 1), (wide, 0)]
    assert history(strict, now).runs == 1


def test_an_edit_of_a_policy_that_no_longer_counts_is_withdrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())
    make_instance(tags={"env": "prod"}, auto_stop_enable=False)
    assert enforcement.act(at_most(8, acts=True)) == 1
    edit = Edit.objects.get()
    assert not why_withdrawn(edit)
    at_most(24, tag="env=prod", position=0)
    assert "At most 24 h" in str(why_withdrawn(edit))


def test_moving_passes_the_next_of_the_kind_and_is_audited(
    client: Client, admin: User
) -> None:
    first = at_most(8)
    make_rule(position=2)
    last = at_most(24)
    client.force_login(admin)
    client.post(f"/policies/{last.pk}/move/", {"to": "up"})
    same_kind = Rule.objects.filter(kind="max_hours")
    assert list(same_kind.all()) == [last, first]
    client.post(f"/policies/{last.pk}/move/", {"to": "up"})
    assert list(same_kind.all()) == [last, first]
    [event] = AuditEvent.objects.filter(action="rule.moved")
    assert (event.before, event.after) == ({"position": 3}, {"position": 1})
    client.post(f"/policies/{last.pk}/move/", {"to": "down"})
    assert list(same_kind.all()) == [first, last]


def test_the_effect_counts_what_comes_first(tagged: Instance) -> None:
    make_notebook(tags={"env": "test"}, stops_in=7200)
    prod = at_most(4, tag="env=prod")
    general = Rule(name="x", kind="max_hours", max_seconds=HOUR, mode="enforce")
    would = effect(general, timezone.now())
    assert (would.instances, would.shadowed_by) == (1, {prod: 1})
    assert effect(prod, timezone.now()).shadows == {}
    general.reason = "Money."
    general.position = 9
    general.save()
    would = effect(prod, timezone.now())
    assert (would.instances, would.shadows) == (1, {general: 1})
    assert [instance for instance, _ in would.violating] == [tagged]


def test_an_enforced_policy_is_saved_after_its_preview(
    client: Client, admin: User, tagged: Instance
) -> None:
    client.force_login(admin)
    typed = TYPED | {"mode": "enforce", "tag": "env=prod"}
    shown = client.post("/policies/new/", typed)
    assert shown.status_code == 200
    assert "Not saved yet." in shown.content.decode()
    assert tagged.name in shown.content.decode()
    assert not Rule.objects.exists()
    typed["previewed"] = shown.context["previewed"]
    other = client.post("/policies/new/", typed | {"max_hours": "4"})
    assert other.status_code == 200, "another policy was shown"
    assert client.post("/policies/new/", typed).status_code == 303
    rule = Rule.objects.get()
    assert (rule.tag, rule.position) == ("env=prod", 1)
    del typed["previewed"]
    renamed = client.post(rule.get_absolute_url(), typed | {"name": "Another"})
    assert renamed.status_code == 303, "its effect stays the same"


def test_a_preview_saves_nothing(client: Client, admin: User) -> None:
    client.force_login(admin)
    answer = client.post("/policies/new/", TYPED | {"mode": "report", "preview": "1"})
    assert answer.status_code == 200
    assert "It applies to" in answer.content.decode()
    assert not Rule.objects.exists()
    bad = client.post("/policies/new/", TYPED | {"mode": "report", "tag": 'a"b'})
    assert bad.status_code == 422


def test_the_page_of_an_instance_says_which_apply_and_why(
    client: Client, admin: User, tagged: Instance
) -> None:
    at_most(24, tag="env=prod", status="RUNNING")
    at_most(8)
    client.force_login(admin)
    text = client.get(tagged.get_absolute_url()).content.decode()
    assert "2 policies for this instance" in text
    assert "this instance is tagged env=prod, in the status Running." in text
    assert "does not apply: “<bdi>At most 24 h</bdi>” comes first." in text


def test_the_shortest_maximum_comes_first_after_the_migration() -> None:
    for name, seconds in (("a", 24 * HOUR), ("b", 8 * HOUR), ("c", 9 * HOUR)):
        make_rule(name=name, kind="max_hours", max_seconds=seconds)
    module = "dashboard.policies.migrations.0004_order_by_strictness"
    importlib.import_module(module).number_by_strictness(apps, None)
    assert "".join(rule.name for rule in Rule.objects.all()) == "bca"
