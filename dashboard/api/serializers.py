"""Rows of the database as the API returns them; see ``schemas``."""

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
"""Fields whose API name differs from ``Edit.patch``."""


def values(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {NAMES.get(name, name): value for name, value in settings.items()}


def instance(row: Row) -> dict[str, Any]:
    instance, run = row.instance, row.this_run
    return {
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "name": instance.name,
        "description": instance.description,
        "status": instance.status,
        "status_text": row.look.label,
        "status_since": instance.status_since,
        "missing_since": instance.missing_since,
        "owner": {"id": instance.owner_id, "name": instance.owner_name},
        "workspace_id": instance.workspace_id,
        "flavor": instance.flavor,
        "flavor_type": instance.flavor_type,
        "run_started_at": instance.run_started_at,
        "this_run": {
            "state": str(run.state),
            "text": run.text,
            "stops_at": run.stops_at,
            "stops_at_ms": run.stops_at_ms,
            "urgency": str(run.urgency),
        },
        "next_run_text": row.next_run,
        "auto_stop_enable": instance.auto_stop_enable,
        "auto_stop_seconds": instance.auto_stop_duration,
        "auto_stop_hours": _hours(instance.auto_stop_duration),
        "prompt": instance.auto_stop_prompt,
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
        "version": instance.version,
        "may_edit": row.may_edit,
        "edit": _summary(row.edit) if row.edit else None,
        "url": instance.get_absolute_url(),
    }


def detail(
    row: Row, *, user: User, seen: str, events: list[InstanceEvent], edits: list[Edit]
) -> dict[str, Any]:
    stored = row.instance
    failure = detail_sections.failure(stored)
    document = detail_sections.stored_document(stored)
    return instance(row) | {
        "seen": seen,
        "prompt_reminds": stored.auto_stop_prompt is not False,
        "stop_timestamp_ms": stored.stop_timestamp_ms,
        "first_seen_at": stored.first_seen_at,
        "looked_at": stored.looked_at,
        "as_of": stored.cloud.refreshed_at,
        "reasons": {
            "edit": str(availability.why_not_editable(stored)),
            "start": str(availability.why_not_startable(stored)),
            "stop": str(availability.why_not_stoppable(stored)),
        },
        "failure": failure
        and {
            "sentence": str(failure.sentence),
            "code": failure.code,
            "message": failure.message,
        },
        "problems": [str(problem) for problem in stored.problems],
        "details": document.model_dump(mode="json", exclude_none=True),
        "events": [_event(event) for event in events],
        "edits": [edit(item, user=user) for item in edits],
    }


def edit(edit: Edit, *, user: User) -> dict[str, Any]:
    may = can_edit(user, edit.instance.owner)
    return _summary(edit) | {
        "cloud": edit.instance.cloud.name,
        "instance_id": edit.instance.instance_id,
        "instance_name": str(edit.instance),
        "actor": edit.by,
        "policy": edit.policy_name or None,
        "sentence": outcome_text.sentence(edit),
        "next_step": outcome_text.next_step(edit),
        "waits_for_next_start": edit.waits_for_next_start,
        "wish": values(edit.patch),
        "base": values(edit.base),
        "result": values(edit.result),
        "outcome": edit.outcome,
        "replaced": {
            NAMES.get(name, name): entry.get("edit")
            for name, entry in edit.replaced.items()
        },
        "corrected_at": edit.corrected_at,
        "message": str(edit.message),
        "error_code": edit.error_code,
        "error_message": edit.error_message,
        "attempts": edit.attempts,
        "created_at": edit.created_at,
        "deadline_at": edit.deadline_at,
        "finished_at": edit.finished_at,
        "batch": edit.batch_id,
        "retry_of": edit.retry_of_id,
        "superseded_by": edit.superseded_by_id,
        "may_cancel": may and edit.may_be_cancelled,
        "may_retry": may and edit.may_be_retried,
        "url": edit.get_absolute_url(),
    }


def batch(batch: EditBatch, progress: Progress, *, user: User) -> dict[str, Any]:
    return {
        "id": batch.pk,
        "actor": batch.by,
        "policy": batch.policy_name or None,
        "wish": display.batch_change_text(batch),
        "source": str(batch.source),
        "rule": batch.rule.name if batch.rule else None,
        "confirmed_at": batch.confirmed_at,
        "retry_of": batch.retry_of_id,
        "progress": {
            "total": progress.total,
            "open": progress.open,
            "settled": progress.completed,
            "skipped": progress.skipped,
            "states": progress.states,
        },
        "may_act": batches.can_act_on(user, batch),
        "url": reverse("edits:batch", args=[batch.pk]),
    }


def named(instance: Instance) -> dict[str, str]:
    return {
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "name": str(instance),
    }


def cloud(cloud: Cloud, now: datetime) -> dict[str, Any]:
    age = None
    if cloud.refreshed_at:
        age = max(0, int((now - cloud.refreshed_at).total_seconds()))
    return {
        "name": cloud.name,
        "refreshed_at": cloud.refreshed_at,
        "age_seconds": age,
        "age": str(Freshness([cloud], cloud.refreshed_at, now).age),
        "problem": str(cloud.problem),
        "problem_since": cloud.problem_since,
        "incomplete": cloud.incomplete,
        "incomplete_since": cloud.incomplete_since,
        "listed": cloud.listed,
        "counted": cloud.counted,
        "unconfigured_since": cloud.unconfigured_since,
        "retires_at": cloud.retires_at,
        "held_since": cloud.held_since,
        "hold_reason": str(cloud.hold_reason),
        "clock_skew_ms": cloud.skew_ms,
    }


def audit_event(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at,
        "actor": event.actor_label,
        "via": str(event.via),
        "action": event.action,
        "outcome": event.outcome,
        "target_kind": event.target_kind,
        "target_id": event.target_id,
        "target": event.target_label,
        "instance": event.instance,
        "before": event.before,
        "after": event.after,
        "reason": str(event.reason),
        "request_id": event.request_id,
        "address": event.address,
    }


def _summary(edit: InstanceEdit) -> dict[str, Any]:
    return {
        "id": edit.pk,
        "kind": edit.kind,
        "state": edit.state,
        "is_open": edit.is_open,
    }


def _event(event: InstanceEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "reason": event.reason,
        "actor": event.actor.get_username() if event.actor else None,
        "edit": event.edit_id,
    }


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / 3_600, 4)
