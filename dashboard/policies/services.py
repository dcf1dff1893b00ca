"""Writes: rules by admins, exceptions by those who ask and those who decide."""

from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import (
    can_decide_exceptions,
    can_edit,
    can_write_rules,
)
from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion, Instance

from . import stops
from .models import Rule, RuleException
from .signals import acting_ended

State = RuleException.State


class PolicyError(Exception):
    """It cannot be done now; the message says why."""


@transaction.atomic
def save_rule(*, rule: Rule, actor: User) -> Rule:
    """Write a rule, new or changed.

    A rule that changes in any way goes back to its dry run: what somebody allowed it
    to do was meant for the rule as it stood. What it has planned is taken back.

    Args:
        rule: With the wished values, validated.
        actor: Who writes it.

    Raises:
        PermissionDenied: Only admins write rules.
    """
    _require(can_write_rules(actor))
    old = _locked_rule(rule.pk)
    before = _values(old) if old else {}
    if before != _values(rule):
        rule.acts, rule.checked_at, rule.found = False, None, 0
        rule.acting_approved_by = rule.acting_since = None
        if old:
            _end_acting(old, actor)
    rule.save()
    _record(actor, "rule.changed" if old else "rule.added", rule, before, _values(rule))
    return rule


@transaction.atomic
def delete_rule(*, rule: Rule, actor: User) -> None:
    """Remove a rule and its exceptions; the audit trail keeps them.

    What it has filed and is still waiting is cancelled.

    Raises:
        PermissionDenied: Only admins write rules.
    """
    _require(can_write_rules(actor))
    if stored := _locked_rule(rule.pk):
        _end_acting(stored, actor)
    _record(actor, "rule.removed", rule, _values(rule), {})
    rule.delete()


@transaction.atomic
def let_act(*, rule: Rule, actor: User) -> Rule:
    """Have Curfew put right by itself, from now on, what breaks a rule.

    The rule acts in its own name; it goes on when the actor's role changes.

    Raises:
        PermissionDenied: Only admins decide that.
        PolicyError: The rule is not enforced.
    """
    _require(can_write_rules(actor))
    rule = Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
    if rule.mode != Rule.Mode.ENFORCE:
        raise PolicyError(gettext("Automatic enforcement needs the mode “Enforce”."))
    if rule.acts:
        return rule
    rule.acts = True
    rule.acting_approved_by, rule.acting_since = actor, timezone.now()
    rule.save(update_fields=["acts", "acting_approved_by", "acting_since"])
    _record(actor, "rule.acts", rule, {"acts": False}, {"acts": True})
    return rule


@transaction.atomic
def pause(*, rule: Rule, actor: User) -> int:
    """Let a rule only show what it would do, and cancel what it has not done yet.

    Returns:
        How many of its edits were cancelled; what is being sent cannot be.

    Raises:
        PermissionDenied: Only admins decide that.
    """
    _require(can_write_rules(actor))
    stored = _locked_rule(rule.pk)
    if stored is None or not stored.acts:
        return 0
    Rule.objects.filter(pk=rule.pk).update(
        acts=False, acting_approved_by=None, acting_since=None
    )
    cancelled = _end_acting(stored, actor)
    after = {"acts": False, "cancelled": cancelled}
    _record(actor, "rule.dry_run", stored, {"acts": True}, after)
    return cancelled


@transaction.atomic
def ask_exception(
    *,
    rule: Rule,
    instance: Instance,
    actor: User,
    until: datetime,
    reason: str,
    through: date | None = None,
) -> RuleException:
    """Ask for leave to break a rule; who may decide has it at once.

    Args:
        rule: Which rule.
        instance: Which instance.
        actor: Who asks: somebody who may edit the instance.
        until: When it shall end by itself; ahead of now.
        reason: Why, in one or two sentences.
        through: The last day as typed, which ends at ``until``.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        PolicyError: There is one already, or it is asked for.
    """
    _require(can_edit(actor, instance.owner))
    # One line behind the other: the rule's row serialises those who ask.
    Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
    now = timezone.now()
    for earlier in RuleException.objects.filter(rule=rule, instance=instance):
        if earlier.state == State.ASKED:
            raise PolicyError(gettext("An exception has already been requested."))
        if earlier.holds(now):
            raise PolicyError(gettext("An exception already exists."))
    exception = RuleException.objects.create(
        rule=rule,
        instance=instance,
        asked_by=actor,
        until=until,
        through=through,
        reason=reason,
    )
    _record_exception(actor, "exception.asked", exception, {})
    FleetVersion.stamp(Instance.objects.filter(pk=instance.pk))
    if can_decide_exceptions(actor):
        return decide_exception(exception=exception, actor=actor, approve=True)
    return exception


@transaction.atomic
def decide_exception(
    *, exception: RuleException, actor: User, approve: bool, answer: str = ""
) -> RuleException:
    """Approve or deny what was asked for.

    Raises:
        PermissionDenied: Only operators and admins decide.
        PolicyError: It was decided already, or its time has passed.
    """
    _require(can_decide_exceptions(actor))
    exception = _locked(exception)
    if exception.state != State.ASKED:
        raise PolicyError(gettext("This request has already been decided."))
    if approve and exception.until <= timezone.now():
        raise PolicyError(
            gettext("The last day has passed. You can only deny this request.")
        )
    state = State.APPROVED if approve else State.DENIED
    return _move(exception, state, actor, answer)


@transaction.atomic
def end_exception(*, exception: RuleException, actor: User) -> RuleException:
    """End an exception before its day.

    Raises:
        PermissionDenied: Only operators and admins decide.
        PolicyError: It does not hold.
    """
    _require(can_decide_exceptions(actor))
    exception = _locked(exception)
    if not exception.holds(timezone.now()):
        raise PolicyError(gettext("This exception has already ended."))
    return _move(exception, State.ENDED, actor, exception.answer)


@transaction.atomic
def expire_exceptions() -> int:
    """Note which exceptions ran out; they stopped counting at their moment anyway.

    Returns:
        How many ran out since it was last asked.
    """
    over = RuleException.objects.select_for_update().filter(
        state__in=[State.ASKED, State.APPROVED], until__lte=timezone.now()
    )
    gone = list(over.select_related("rule", "instance"))
    for exception in gone:
        _move(exception, State.EXPIRED, None, exception.answer)
    return len(gone)


@transaction.atomic
def note_check(*, rule: Rule, found: int) -> None:
    """Write down how many edits a rule would file, or filed, just now."""
    Rule.objects.filter(pk=rule.pk).update(checked_at=timezone.now(), found=found)


def _locked(exception: RuleException) -> RuleException:
    rows = RuleException.objects.select_for_update(of=("self",))
    return rows.select_related("rule", "instance").get(pk=exception.pk)


def _move(
    exception: RuleException, state: State, actor: User | None, answer: str
) -> RuleException:
    before = {"state": exception.state}
    exception.state = state
    if actor is not None:
        exception.decided_by, exception.decided_at = actor, timezone.now()
        exception.answer = answer
    exception.save(update_fields=["state", "decided_by", "decided_at", "answer"])
    _record_exception(actor, f"exception.{state}", exception, before)
    rule, instance = exception.rule, exception.instance
    if state == State.APPROVED:
        stops.end_stops(rule=rule, instance=instance, now=timezone.now())
    FleetVersion.stamp(Instance.objects.filter(pk=instance.pk))
    return exception


def _locked_rule(pk: int) -> Rule | None:
    # Not against those whose edits name the rule, who hold queues that we want next.
    return Rule.objects.select_for_update(no_key=True).filter(pk=pk).first()


def _end_acting(rule: Rule, actor: User) -> int:
    """Take back what the rule has planned and filed; how many edits that were."""
    stops.end_stops(rule=rule, now=timezone.now())
    told: list[tuple[Any, Any]] = acting_ended.send(sender=Rule, rule=rule, actor=actor)
    return sum(cancelled for _, cancelled in told)


def _require(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied(gettext("You don't have permission to do this."))


def _values(rule: Rule) -> dict[str, Any]:
    """What the audit trail keeps of a rule."""
    names = (
        *("name", "reason", "kind", "max_seconds", "time_zone", "mode"),
        *("cloud", "workspace_id", "flavor_type", "owner", "status"),
    )
    moments = ("quiet_from", "quiet_until")
    said = {name: getattr(rule, name) for name in names}
    return said | {
        name: moment.isoformat("minutes") if (moment := getattr(rule, name)) else None
        for name in moments
    }


def _record(
    actor: User, action: str, rule: Rule, before: dict[str, Any], after: dict[str, Any]
) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="rule",
        target_id=str(rule.pk),
        target_label=rule.name,
        before=before,
        after=after,
    )


def _record_exception(
    actor: User | None,
    action: str,
    exception: RuleException,
    before: dict[str, Any],
) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="exception",
        target_id=str(exception.pk),
        target_label=str(exception),
        before=before,
        after={"state": exception.state, "until": exception.until.isoformat()},
        reason=exception.reason,
    )
