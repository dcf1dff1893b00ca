"""Writes of rules and exceptions."""

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
    """The current state does not allow this; the message says why."""


@transaction.atomic
def save_rule(*, rule: Rule, actor: User) -> Rule:
    """Save a new or changed rule.

    A change returns the rule to its dry run and cancels what it has planned, since an
    admin turned on enforcement for the former rule.

    Args:
        rule: Validated, with the new values.
        actor: An admin.

    Raises:
        PermissionDenied: The actor may not write rules.
    """
    _require(can_write_rules(actor))
    stored = _locked_rule(rule.pk)
    before = _values(stored) if stored else {}
    if before != _values(rule):
        rule.acts, rule.checked_at, rule.found = False, None, 0
        rule.acting_approved_by = rule.acting_since = None
        if stored:
            _end_acting(stored, actor)
    rule.save()
    action = "rule.changed" if stored else "rule.added"
    _record(actor, action, rule, before, _values(rule))
    return rule


@transaction.atomic
def delete_rule(*, rule: Rule, actor: User) -> None:
    """Delete a rule and its exceptions, and cancel its edits that are waiting.

    Raises:
        PermissionDenied: The actor may not write rules.
    """
    _require(can_write_rules(actor))
    if stored := _locked_rule(rule.pk):
        _end_acting(stored, actor)
    _record(actor, "rule.removed", rule, _values(rule), {})
    rule.delete()


@transaction.atomic
def let_act(*, rule: Rule, actor: User) -> Rule:
    """Turn on automatic enforcement of a rule.

    The rule acts in its own name, so it continues when the actor's role changes.

    Raises:
        PermissionDenied: The actor may not write rules.
        PolicyError: The rule's mode is not ``ENFORCE``.
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
    """Return a rule to its dry run, and cancel its edits that are waiting.

    Returns:
        How many edits were cancelled; those being sent cannot be.

    Raises:
        PermissionDenied: The actor may not write rules.
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
    """Request an exception; it is approved at once if the actor may decide.

    Args:
        rule: The rule that the instance may violate.
        instance: An instance that the actor may edit.
        actor: The requester.
        until: End of the exception, in the future.
        reason: Why, in one or two sentences.
        through: The last day as typed, which ends at ``until``.

    Raises:
        PermissionDenied: The actor may not edit this instance.
        PolicyError: An exception exists or has been requested.
    """
    _require(can_edit(actor, instance.owner))
    # The lock on the rule's row makes concurrent requests wait for each other.
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
    """Approve or deny a request.

    Raises:
        PermissionDenied: The actor may not decide on exceptions.
        PolicyError: It has been decided already, or its last day has passed.
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
    """Revoke an exception.

    Raises:
        PermissionDenied: The actor may not decide on exceptions.
        PolicyError: It is not in effect.
    """
    _require(can_decide_exceptions(actor))
    exception = _locked(exception)
    if not exception.holds(timezone.now()):
        raise PolicyError(gettext("This exception has already ended."))
    return _move(exception, State.ENDED, actor, exception.answer)


@transaction.atomic
def expire_exceptions() -> int:
    """Mark exceptions and requests whose end has passed as expired; return how many.

    An exception stops counting at its end whether or not it is marked.
    """
    expired = RuleException.objects.select_for_update().filter(
        state__in=[State.ASKED, State.APPROVED], until__lte=timezone.now()
    )
    exceptions = list(expired.select_related("rule", "instance"))
    for exception in exceptions:
        _move(exception, State.EXPIRED, None, exception.answer)
    return len(exceptions)


@transaction.atomic
def note_check(*, rule: Rule, found: int) -> None:
    """Store how many edits a check of the rule created, or would create."""
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
    # FOR NO KEY UPDATE: inserts of edits that refer to the rule must not wait for it,
    # since they run under queue locks that we take next.
    return Rule.objects.select_for_update(no_key=True).filter(pk=pk).first()


def _end_acting(rule: Rule, actor: User) -> int:
    """Cancel the rule's planned stops and waiting edits; return how many edits."""
    stops.end_stops(rule=rule, now=timezone.now())
    responses: list[tuple[Any, Any]] = acting_ended.send(
        sender=Rule, rule=rule, actor=actor
    )
    return sum(cancelled for _, cancelled in responses)


def _require(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied(gettext("You don't have permission to do this."))


def _values(rule: Rule) -> dict[str, Any]:
    """Return the values that the audit trail records."""
    names = (
        *("name", "reason", "kind", "max_seconds", "time_zone", "mode"),
        *("cloud", "workspace_id", "flavor_type", "owner", "status"),
    )
    times = {"quiet_from": rule.quiet_from, "quiet_until": rule.quiet_until}
    return {name: getattr(rule, name) for name in names} | {
        name: value.isoformat("minutes") if value else None
        for name, value in times.items()
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
