"""Writes of rules and exceptions.

They raise ``PermissionDenied`` if the actor lacks the permission.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import model_to_dict
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import (
    can_decide_exceptions,
    can_edit,
    can_write_rules,
)
from dashboard.audit.services import record_event
from dashboard.instances.models import FleetVersion, Instance

from . import questions, selectors, stops
from .models import Question, Rule, RuleException
from .signals import acting_ended

State = RuleException.State

_RECORDED = (
    *("name", "reason", "kind", "max_seconds", "time_zone", "mode"),
    *("cloud", "workspace_id", "flavor_type", "owner", "tag", "status"),
    *("quiet_from", "quiet_until", "team", "answer_seconds", "again_seconds"),
)
"""Fields of a rule in the audit trail."""


class PolicyError(Exception):
    """The current state does not allow this; the message says why."""


def values_of(rule: Rule) -> dict[str, Any]:
    """Return the values of a rule that people set, as the audit trail has them."""
    values = model_to_dict(rule, _RECORDED)
    for name in ("quiet_from", "quiet_until"):
        if values[name]:
            values[name] = values[name].isoformat("minutes")
    values["team"] = rule.team.name if rule.team else ""
    return values


def changed_fields(rule: Rule) -> set[str]:
    """Return the fields in which a rule differs from the stored one; all if new."""
    values, stored = values_of(rule), Rule.objects.filter(pk=rule.pk).first()
    before = values_of(stored) if stored else {}
    return {name for name, value in values.items() if before.get(name, ...) != value}


@transaction.atomic
def save_rule(*, rule: Rule, actor: User) -> Rule:
    """Save a new or changed rule, which is validated. A new one comes last.

    A change returns the rule to its dry run and cancels what it has planned, since an
    admin turned on enforcement for the former rule.
    """
    _require(can_write_rules(actor))
    stored = _locked_rule(rule.pk)
    before = values_of(stored) if stored else {}
    if before != values_of(rule):
        rule.acts, rule.checked_at, rule.found = False, None, 0
        rule.acting_approved_by = rule.acting_since = None
        if stored:
            _end_acting(stored, actor)
    rule.position = stored.position if stored else selectors.last_position() + 1
    rule.save()
    action = "rule.changed" if stored else "rule.added"
    _record(actor, action, rule, before, values_of(rule))
    return rule


@transaction.atomic
def move_rule(*, rule: Rule, actor: User, is_up: bool) -> bool:
    """Move a rule before the previous one of its kind, or after the next.

    A rule that acts continues to act. If the move brings runs into its scope, their
    owners are warned as usual.

    Returns:
        Whether there was a rule to pass.
    """
    _require(can_write_rules(actor))
    rules = list(Rule.objects.select_for_update(no_key=True))
    same_kind = [item for item in rules if item.kind == rule.kind]
    place = next((n for n, item in enumerate(same_kind) if item.pk == rule.pk), None)
    if place is None:
        return False
    other = place - 1 if is_up else place + 1
    if not 0 <= other < len(same_kind):
        return False
    moved, passed = same_kind[place], same_kind[other]
    before = {"position": moved.position}
    one, two = rules.index(moved), rules.index(passed)
    rules[one], rules[two] = passed, moved
    for position, item in enumerate(rules, start=1):
        item.position = position
    Rule.objects.bulk_update(rules, ["position"])
    _record(actor, "rule.moved", moved, before, {"position": moved.position})
    return True


@transaction.atomic
def delete_rule(*, rule: Rule, actor: User) -> None:
    """Delete a rule and its exceptions, and cancel its edits that are waiting."""
    _require(can_write_rules(actor))
    if stored := _locked_rule(rule.pk):
        _end_acting(stored, actor)
    _record(actor, "rule.removed", rule, values_of(rule), {})
    rule.delete()


@transaction.atomic
def turn_on_enforcement(*, rule: Rule, actor: User) -> Rule:
    """Turn on automatic enforcement of a rule.

    The rule acts in its own name, so it continues when the actor's role changes.

    Raises:
        PolicyError: The rule's mode is not ``ENFORCE``.
    """
    _require(can_write_rules(actor))
    rule = Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
    if rule.mode != Rule.Mode.ENFORCE:
        raise PolicyError(_("Automatic enforcement needs the mode “Enforce”."))
    if rule.acts:
        return rule
    rule.acts = True
    rule.acting_approved_by, rule.acting_since = actor, timezone.now()
    rule.save(update_fields=["acts", "acting_approved_by", "acting_since"])
    _record(actor, "rule.acts", rule, {"acts": False}, {"acts": True})
    return rule


@transaction.atomic
def pause_enforcement(*, rule: Rule, actor: User) -> int:
    """Return a rule to its dry run, and cancel its edits that are waiting.

    Returns:
        How many edits were cancelled; those being sent cannot be.
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
def request_exception(
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
        until: End of the exception, in the future.
        through: The last day as typed, which ends at ``until``.

    Raises:
        PolicyError: An exception exists or has been requested.
    """
    _require(can_edit(actor, instance.owner))
    # The lock on the rule's row makes concurrent requests wait for each other.
    Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
    now = timezone.now()
    for earlier in RuleException.objects.filter(rule=rule, instance=instance):
        if earlier.state == State.ASKED:
            raise PolicyError(_("An exception has already been requested."))
        if earlier.is_in_effect(now):
            raise PolicyError(_("An exception already exists."))
    exception = RuleException.objects.create(
        rule=rule,
        instance=instance,
        asked_by=actor,
        until=until,
        through=through,
        reason=reason,
    )
    _record_exception(actor, exception, before={})
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
        PolicyError: It has been decided already, or its last day has passed.
    """
    _require(can_decide_exceptions(actor))
    exception = _locked(exception)
    if exception.state != State.ASKED:
        raise PolicyError(_("This request has already been decided."))
    if approve and exception.until <= timezone.now():
        raise PolicyError(_("The last day has passed. You can only deny this request."))
    state = State.APPROVED if approve else State.DENIED
    return _set_state(exception, state, actor, answer)


@transaction.atomic
def revoke_exception(*, exception: RuleException, actor: User) -> RuleException:
    """Revoke an exception.

    Raises:
        PolicyError: It is not in effect.
    """
    _require(can_decide_exceptions(actor))
    exception = _locked(exception)
    if not exception.is_in_effect(timezone.now()):
        raise PolicyError(_("This exception has already ended."))
    return _set_state(exception, State.ENDED, actor, exception.answer)


@transaction.atomic
def grant_exceptions(
    *,
    rules: Iterable[Rule],
    instance: Instance,
    actor: User,
    until: datetime,
    reason: str,
) -> list[RuleException]:
    """Create exceptions that are approved from the start, as part of something else.

    Requests that wait for a decision, and shorter exceptions, stay as they are.
    """
    _require(can_decide_exceptions(actor))
    granted = []
    for rule in rules:
        exception = RuleException(
            rule=rule, instance=instance, asked_by=actor, until=until, reason=reason
        )
        granted.append(_set_state(exception, State.APPROVED, actor, ""))
    return granted


@transaction.atomic
def end_exceptions(
    *, exceptions: Iterable[RuleException], actor: User | None, now: datetime
) -> None:
    """End exceptions that are in effect, since what they are part of has ended.

    Args:
        exceptions: Of ``grant_exceptions``.
        actor: Who ended that; None if it ended by itself. There is no check.
        now: When it ended.
    """
    for exception in exceptions:
        locked = _locked(exception)
        if locked.is_in_effect(now):
            _set_state(locked, State.ENDED, actor, locked.answer)


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
        _set_state(exception, State.EXPIRED, None, exception.answer)
    return len(exceptions)


@transaction.atomic
def record_check(*, rule: Rule, found: int) -> None:
    """Store how many edits a check of the rule created, or would create."""
    Rule.objects.filter(pk=rule.pk).update(checked_at=timezone.now(), found=found)


def _locked(exception: RuleException) -> RuleException:
    rows = RuleException.objects.select_for_update(of=("self",))
    return rows.select_related("rule", "instance").get(pk=exception.pk)


def _set_state(
    exception: RuleException, state: State, actor: User | None, answer: str
) -> RuleException:
    before = {} if exception.pk is None else {"state": exception.state}
    exception.state = state
    if actor is not None:
        exception.decided_by, exception.decided_at = actor, timezone.now()
        exception.answer = answer
    exception.save(
        update_fields=["state", "decided_by", "decided_at", "answer"]
        if exception.pk
        else None
    )
    _record_exception(actor, exception, before)
    rule, instance = exception.rule, exception.instance
    if state == State.APPROVED:
        stops.end_stops(rule=rule, instance=instance, now=timezone.now())
        questions.withdraw(Question.objects.filter(rule=rule, instance=instance))
    FleetVersion.stamp(Instance.objects.filter(pk=instance.pk))
    return exception


def _locked_rule(pk: int) -> Rule | None:
    # FOR NO KEY UPDATE: inserts of edits that refer to the rule must not wait for it,
    # since they run under queue locks that we take next.
    return Rule.objects.select_for_update(no_key=True).filter(pk=pk).first()


def _end_acting(rule: Rule, actor: User) -> int:
    """Cancel a rule's planned stops, questions and waiting edits; count the edits."""
    stops.end_stops(rule=rule, now=timezone.now())
    questions.withdraw(Question.objects.filter(rule=rule))
    responses: list[tuple[Any, Any]] = acting_ended.send(
        sender=Rule, rule=rule, actor=actor
    )
    return sum(cancelled for _, cancelled in responses)


def _require(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied(_("You don't have permission to do this."))


def _record_exception(
    actor: User | None, exception: RuleException, before: dict[str, Any]
) -> None:
    after = {"state": exception.state, "until": exception.until.isoformat()}
    action = f"exception.{exception.state}"
    _record(actor, action, exception, before, after, exception.reason)


def _record(
    actor: User | None,
    action: str,
    target: Rule | RuleException,
    before: dict[str, Any],
    after: dict[str, Any],
    reason: str = "",
) -> None:
    record_event(
        actor=actor,
        action=action,
        target=target,
        before=before,
        after=after,
        reason=reason,
    )
