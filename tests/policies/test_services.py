"""Writes of rules and exceptions."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.teams import save_team
from dashboard.audit.models import AuditEvent
from dashboard.edits import services as edits
from dashboard.instances.models import Instance
from dashboard.policies import services
from dashboard.policies.models import Rule, RuleException
from dashboard.policies.remedies import remedies
from tests.factories import make_instance

from .conftest import make_rule


def in_a_week(instance: Instance, actor: User, rule: Rule) -> RuleException:
    return services.request_exception(
        rule=rule,
        instance=instance,
        actor=actor,
        until=timezone.now() + timedelta(days=7),
        reason="A long evaluation.",
    )


def switch_off(instance: Instance, actor: User) -> object:
    return edits.submit_edit(
        instance=instance,
        actor=actor,
        patch={"auto_stop_enable": False},
        base={"auto_stop_enable": True},
    )


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_a_rule_is_written_and_audited(admin: User) -> None:
    rule = services.save_rule(
        rule=Rule(name="On", reason="Money.", kind="auto_stop"), actor=admin
    )
    rule.mode = Rule.Mode.ENFORCE
    services.save_rule(rule=rule, actor=admin)
    services.delete_rule(rule=rule, actor=admin)
    assert actions()[-3:] == ["rule.added", "rule.changed", "rule.removed"]
    changed = AuditEvent.objects.get(action="rule.changed")
    assert (changed.before["mode"], changed.after["mode"]) == ("report", "enforce")


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator"])
def test_only_admins_write_rules(
    person: str, db: None, request: pytest.FixtureRequest
) -> None:
    rule, actor = make_rule(), request.getfixturevalue(person)
    with pytest.raises(PermissionDenied):
        services.save_rule(rule=rule, actor=actor)
    with pytest.raises(PermissionDenied):
        services.delete_rule(rule=rule, actor=actor)
    with pytest.raises(PermissionDenied):
        services.turn_on_enforcement(rule=rule, actor=actor)


def test_only_an_enforced_rule_acts_and_a_changed_one_no_longer(admin: User) -> None:
    with pytest.raises(services.PolicyError):
        services.turn_on_enforcement(
            rule=make_rule(name="Weak", mode="report"), actor=admin
        )
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    assert (rule.acts, rule.acting_approved_by) == (True, admin)
    services.save_rule(rule=rule, actor=admin)
    assert rule.acts, "nothing was changed"
    rule.owner = "li.wei"
    services.save_rule(rule=rule, actor=admin)
    rule.refresh_from_db()
    assert (rule.acts, rule.acting_approved_by) == (False, None)


def test_an_enforced_rule_refuses_the_edit(instance: Instance, operator: User) -> None:
    make_rule()
    with pytest.raises(edits.RuleRefusedError, match="Auto-stop on”: Auto-stop is off"):
        switch_off(instance, operator)
    assert not instance.edits.exists()


@pytest.mark.parametrize("mode", ["off", "report"])
def test_a_rule_that_is_not_enforced_refuses_nothing(
    instance: Instance, operator: User, mode: str
) -> None:
    make_rule(mode=mode)
    assert switch_off(instance, operator)


def test_an_approved_exception_counts_until_its_day(
    instance: Instance, scientist: User, operator: User
) -> None:
    request = in_a_week(instance, scientist, make_rule())
    with pytest.raises(edits.RuleRefusedError):
        switch_off(instance, scientist)
    services.decide_exception(
        exception=request, actor=operator, approve=True, answer=""
    )
    RuleException.objects.update(until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(edits.RuleRefusedError):
        switch_off(instance, scientist)
    RuleException.objects.update(until=timezone.now() + timedelta(hours=1))
    assert switch_off(instance, scientist)


def test_requests_of_operators_are_approved_at_once(
    instance: Instance, operator: User
) -> None:
    exception = in_a_week(instance, operator, make_rule())
    assert (exception.state, exception.decided_by) == ("approved", operator)
    assert actions()[-2:] == ["exception.asked", "exception.approved"]


def test_a_second_request_is_refused(
    instance: Instance, scientist: User, operator: User
) -> None:
    rule = make_rule()
    request = in_a_week(instance, scientist, rule)
    with pytest.raises(services.PolicyError, match="already been requested"):
        in_a_week(instance, scientist, rule)
    services.decide_exception(exception=request, actor=operator, approve=True)
    with pytest.raises(services.PolicyError, match="exception already exists"):
        in_a_week(instance, scientist, rule)
    with pytest.raises(services.PolicyError, match="already been decided"):
        services.decide_exception(exception=request, actor=operator, approve=False)


def test_people_without_the_right_are_refused(
    instance: Instance, scientist: User, stranger: User, viewer: User
) -> None:
    rule = make_rule()
    for person in (stranger, viewer):
        with pytest.raises(PermissionDenied):
            in_a_week(instance, person, rule)
    request = in_a_week(instance, scientist, rule)
    with pytest.raises(PermissionDenied):
        services.decide_exception(exception=request, actor=scientist, approve=True)
    with pytest.raises(PermissionDenied):
        services.revoke_exception(exception=request, actor=scientist)


def test_denied_ended_and_expired(
    instance: Instance, scientist: User, operator: User
) -> None:
    rule = make_rule()
    first = in_a_week(instance, scientist, rule)
    services.decide_exception(
        exception=first, actor=operator, approve=False, answer="Not this week."
    )
    second = in_a_week(instance, operator, rule)
    assert services.revoke_exception(exception=second, actor=operator).state == "ended"
    with pytest.raises(services.PolicyError):
        services.revoke_exception(exception=second, actor=operator)
    third = in_a_week(instance, operator, rule)
    assert services.expire_exceptions() == 0
    RuleException.objects.filter(pk=third.pk).update(until=timezone.now())
    assert services.expire_exceptions() == 1
    third.refresh_from_db()
    assert third.state == "expired"
    assert AuditEvent.objects.get(action="exception.expired").actor is None
    assert {"exception.denied", "exception.ended"} <= set(actions())


def test_a_policy_of_a_team_applies_to_its_instances_and_keeps_the_team(
    client: Client, instance: Instance, admin: User
) -> None:
    theirs = make_instance(owner_name="tom", workspace_id="7", auto_stop_enable=False)
    Instance.objects.filter(pk=instance.pk).update(auto_stop_enable=False)
    team = save_team(name="Vision", owners=["tom"], actor=admin)
    client.force_login(admin)
    page = client.get(reverse("policies:new")).text
    assert "Vision" in page
    form = {"name": "Theirs", "reason": "They asked.", "kind": "auto_stop"}
    form |= {"mode": "enforce", "team": str(team.pk)}
    shown = client.post(reverse("policies:new"), form)
    form["previewed"] = shown.context["previewed"]
    assert client.post(reverse("policies:new"), form).status_code == 303
    rule = Rule.objects.get()
    assert [each.instance.pk for each in remedies(rule, timezone.now())] == [theirs.pk]
    assert "Vision" in client.get(reverse("policies:rules")).text
    event = AuditEvent.objects.get(action="rule.added")
    assert event.after["team"] == "Vision"
    delete = client.post(reverse("people:delete_team", args=[team.pk]))
    assert delete.status_code == 409
    assert "this team is used by Theirs" in delete.text
    assert not AuditEvent.objects.filter(action="team.deleted").exists()
    save_team(team=team, name="Vision", workspaces=["7"], actor=admin)
    rule = Rule.objects.get()
    assert rule.team_scope
    assert rule.team_scope.owners == set()
    assert [each.instance.pk for each in remedies(rule, timezone.now())] == [theirs.pk]
