"""Rows of the database as the API tells them; the shapes are in ``schemas``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.audit.models import AuditEvent
from dashboard.edits import batches, display, outcome_text
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.selectors import Progress
from dashboard.instances import availability, detail_sections
from dashboard.instances.edit_states import InstanceEdit
from dashboard.instances.models import Cloud, Instance, InstanceEvent
from dashboard.instances.selectors import Freshness, Row

NAMES = {"auto_stop_duration": "auto_stop_seconds", "auto_stop_prompt": "prompt"}
"""Fields whose name in the API is another than in ``Edit.patch``."""


def values(held: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the API's names."""
    return {NAMES.get(name, name): value for name, value in held.items()}


def instance(row: Row) -> dict[str, Any]:
    """An instance as the list shows it."""
    one, run = row.instance, row.this_run
    return {
        "cloud": one.cloud.name,
        "instance_id": one.instance_id,
        "name": one.name,
        "description": one.description,
        "status": one.status,
        "status_text": row.look.label,
        "status_since": one.status_since,
        "missing_since": one.missing_since,
        "owner": {"id": one.owner_id, "name": one.owner_name},
        "workspace_id": one.workspace_id,
        "flavor": one.flavor,
        "flavor_type": one.flavor_type,
        "run_started_at": one.run_started_at,
        "this_run": {
            "state": str(run.state),
            "text": run.text,
            "stops_at": run.stops_at,
            "stops_at_ms": run.stops_at_ms,
            "urgency": str(run.urgency),
        },
        "next_run_text": row.next_run,
        "auto_stop_enable": one.auto_stop_enable,
        "auto_stop_seconds": one.auto_stop_duration,
        "auto_stop_hours": _hours(one.auto_stop_duration),
        "prompt": one.auto_stop_prompt,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "version": one.version,
        "may_edit": row.may_edit,
        "edit": _summary(row.edit) if row.edit else None,
        "url": one.get_absolute_url(),
    }


def detail(
    row: Row, *, user: User, seen: str, events: list[InstanceEvent], edits: list[Edit]
) -> dict[str, Any]:
    """Everything about an instance but secrets, for which the wire has no fields."""
    one = row.instance
    failure = detail_sections.failure(one)
    document = detail_sections.stored_document(one)
    return instance(row) | {
        "seen": seen,
        "prompt_reminds": one.auto_stop_prompt is not False,
        "stop_timestamp_ms": one.stop_timestamp_ms,
        "first_seen_at": one.first_seen_at,
        "looked_at": one.looked_at,
        "as_of": one.cloud.refreshed_at,
        "reasons": {
            "edit": str(availability.why_not_editable(one)),
            "start": str(availability.why_not_startable(one)),
            "stop": str(availability.why_not_stoppable(one)),
        },
        "failure": failure
        and {
            "sentence": str(failure.sentence),
            "code": failure.code,
            "message": failure.message,
        },
        "problems": [str(problem) for problem in one.problems],
        "details": document.model_dump(mode="json", exclude_none=True),
        "events": [_event(event) for event in events],
        "edits": [edit(one_edit, user=user) for one_edit in edits],
    }


def edit(one: Edit, *, user: User) -> dict[str, Any]:
    """A wish, and what became of it."""
    may = can_edit(user, one.instance.owner)
    return _summary(one) | {
        "cloud": one.instance.cloud.name,
        "instance_id": one.instance.instance_id,
        "instance_name": str(one.instance),
        "actor": one.by,
        "policy": one.policy_name or None,
        "sentence": outcome_text.sentence(one),
        "next_step": outcome_text.next_step(one),
        "waits_for_next_start": one.waits_for_next_start,
        "wish": values(one.patch),
        "base": values(one.base),
        "result": values(one.result),
        "outcome": one.outcome,
        "replaced": {
            NAMES.get(name, name): entry.get("edit")
            for name, entry in one.replaced.items()
        },
        "corrected_at": one.corrected_at,
        "message": str(one.message),
        "error_code": one.error_code,
        "error_message": one.error_message,
        "attempts": one.attempts,
        "created_at": one.created_at,
        "deadline_at": one.deadline_at,
        "finished_at": one.finished_at,
        "batch": one.batch_id,
        "retry_of": one.retry_of_id,
        "superseded_by": one.superseded_by_id,
        "may_cancel": may and one.may_be_cancelled,
        "may_retry": may and one.may_be_retried,
        "url": one.get_absolute_url(),
    }


def batch(one: EditBatch, progress: Progress, *, user: User) -> dict[str, Any]:
    """A confirmed bulk edit."""
    return {
        "id": one.pk,
        "actor": one.by,
        "policy": one.policy_name or None,
        "wish": display.batch_change_text(one),
        "source": str(one.source),
        "rule": one.rule.name if one.rule else None,
        "confirmed_at": one.confirmed_at,
        "retry_of": one.retry_of_id,
        "progress": {
            "total": progress.total,
            "open": progress.open,
            "settled": progress.completed,
            "skipped": progress.skipped,
            "states": progress.states,
        },
        "may_act": batches.can_act_on(user, one),
        "url": reverse("edits:batch", args=[one.pk]),
    }


def named(one: Instance) -> dict[str, str]:
    """Which instance."""
    return {
        "cloud": one.cloud.name,
        "instance_id": one.instance_id,
        "name": str(one),
    }


def cloud(one: Cloud, now: datetime) -> dict[str, Any]:
    """A cloud, and how old our copy of it is."""
    age = None
    if one.refreshed_at:
        age = max(0, int((now - one.refreshed_at).total_seconds()))
    return {
        "name": one.name,
        "refreshed_at": one.refreshed_at,
        "age_seconds": age,
        "age": str(Freshness([one], one.refreshed_at, now).age),
        "problem": str(one.problem),
        "problem_since": one.problem_since,
        "incomplete": one.incomplete,
        "incomplete_since": one.incomplete_since,
        "listed": one.listed,
        "counted": one.counted,
        "unconfigured_since": one.unconfigured_since,
        "retires_at": one.retires_at,
        "held_since": one.held_since,
        "hold_reason": str(one.hold_reason),
        "clock_skew_ms": one.skew_ms,
    }


def audit_event(one: AuditEvent) -> dict[str, Any]:
    """A line of the audit trail."""
    return {
        "id": one.pk,
        "at": one.at,
        "actor": one.actor_label,
        "via": str(one.via),
        "action": one.action,
        "outcome": one.outcome,
        "target_kind": one.target_kind,
        "target_id": one.target_id,
        "target": one.target_label,
        "instance": one.instance,
        "before": one.before,
        "after": one.after,
        "reason": str(one.reason),
        "request_id": one.request_id,
        "address": one.address,
    }


def _summary(one: InstanceEdit) -> dict[str, Any]:
    return {
        "id": one.pk,
        "kind": one.kind,
        "state": one.state,
        "is_open": one.is_open,
    }


def _event(one: InstanceEvent) -> dict[str, Any]:
    return {
        "at": one.at,
        "from_status": one.from_status,
        "to_status": one.to_status,
        "reason": one.reason,
        "actor": one.actor.get_username() if one.actor else None,
        "edit": one.edit_id,
    }


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / 3_600, 4)
