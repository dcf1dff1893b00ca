"""Rows of the database as the schemas of responses expect them.

Where the names are the same, a schema reads an object itself.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_edit
from dashboard.costs.estimates import price_now
from dashboard.costs.money import amount_text
from dashboard.edits import batches, display, extension, outcome_text
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.selectors import Progress
from dashboard.instances import availability, detail_sections, run_state
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.instances.selectors import Row
from dashboard.policies.models import Question, Rule
from dashboard.policies.rules import requirement
from dashboard.schedules.models import Schedule
from dashboard.schedules.selectors import for_instances, next_moment

NAMES = {"auto_stop_duration": "auto_stop_seconds", "auto_stop_prompt": "prompt"}
"""Fields whose API name differs from ``Edit.patch``."""


def values(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {NAMES.get(name, name): value for name, value in settings.items()}


def instance(row: Row) -> dict[str, Any]:
    instance = row.instance
    seconds, price = instance.auto_stop_duration, price_now(instance)
    why_not_extend = str(availability.why_not_extendable(instance))
    return {
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "generation": instance.generation,
        "name": instance.name,
        "description": instance.description,
        "status": instance.status,
        "status_text": row.badge.label,
        "status_since": instance.status_since,
        "missing_since": instance.missing_since,
        "owner": {"id": instance.owner_id, "name": instance.owner_name},
        "workspace_id": instance.workspace_id,
        "flavor": instance.flavor,
        "flavor_type": instance.flavor_type,
        "price_per_hour": price and amount_text(price.running),
        "currency": price and price.currency,
        "run_started_at": instance.run_started_at,
        "this_run": row.this_run,
        "lease": lease(instance),
        "can_extend": not why_not_extend,
        "why_not_extend": why_not_extend,
        "tags": instance.tags,
        "next_run_text": row.next_run,
        "auto_stop_enable": instance.auto_stop_enable,
        "auto_stop_seconds": seconds,
        "auto_stop_hours": None if seconds is None else round(seconds / 3_600, 4),
        "prompt": instance.auto_stop_prompt,
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
        "version": instance.version,
        "may_edit": row.may_edit,
        "edit": row.edit,
        "late_stop_since": run_state.late_since(instance, timezone.now()),
        "override": row.override,
        "url": instance.get_absolute_url(),
    }


def lease(instance: Instance) -> dict[str, Any] | None:
    if not instance.capabilities.has_lease:
        return None
    updated_ms = instance.lease_updated_ms
    return {
        "type": instance.lease_type,
        "ends_at": instance.stops_at,
        "idle_seconds": instance.idle_seconds,
        "not_before": instance.idle_stop_at,
        "updated_at": None
        if updated_ms is None
        else extension.moment(instance.cloud, updated_ms),
    }


def detail(
    row: Row,
    *,
    user: User,
    seen: str,
    lease_seen: str,
    events: list[InstanceEvent],
    edits: list[Edit],
) -> dict[str, Any]:
    stored = row.instance
    document = detail_sections.stored_document(stored)
    return instance(row) | {
        "seen": seen,
        "lease_seen": lease_seen,
        "prompt_reminds": stored.auto_stop_prompt is not False,
        "stop_timestamp_ms": stored.stop_timestamp_ms,
        "first_seen_at": stored.first_seen_at,
        "looked_at": stored.looked_at,
        "as_of": stored.cloud.refreshed_at,
        "reasons": {
            "edit": str(availability.why_not_editable(stored)),
            "start": str(availability.why_not_startable(stored)),
            "stop": str(availability.why_not_stoppable(stored)),
            "extend": str(availability.why_not_extendable(stored)),
        },
        "schedule": schedule_of(stored),
        "failure": detail_sections.failure(stored),
        "problems": [str(problem) for problem in stored.problems],
        "details": document.model_dump(mode="json", exclude_none=True),
        "events": events,
        "edits": [edit(item, user=user) for item in edits],
    }


def question(question: Question, *, user: User) -> dict[str, Any]:
    instance = question.instance
    return {
        "id": question.pk,
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "instance_name": str(instance),
        "policy": question.rule.name,
        "reason": question.rule.reason,
        "state": question.state,
        "asked_at": question.asked_at,
        "deadline": question.deadline,
        "stops": question.rule.is_acting,
        "may_answer": can_edit(user, instance.owner),
    }


def edit(edit: Edit, *, user: User) -> dict[str, Any]:
    may = can_edit(user, edit.instance.owner)
    return {
        "id": edit.pk,
        "cloud": edit.instance.cloud.name,
        "instance_id": edit.instance.instance_id,
        "instance_name": str(edit.instance),
        "actor": edit.actor_name,
        "policy": edit.policy_name or None,
        "schedule": edit.schedule_name or None,
        "scheduled_for": edit.scheduled_for,
        "kind": edit.kind,
        "state": edit.state,
        "is_open": edit.is_open,
        "sentence": outcome_text.sentence(edit),
        "next_step": outcome_text.next_step(edit),
        "waits_for_next_start": edit.waits_for_next_start,
        "waits_for_stop": edit.is_open and edit.waits_for_stop,
        "change": values(edit.patch),
        "until": end_of(edit.instance, edit.patch),
        "base": values(edit.base),
        "result": values(edit.result),
        "outcome": edit.outcome,
        "replaced": {
            NAMES.get(name, name): entry.get("edit")
            for name, entry in edit.newer_by_field.items()
        },
        "corrected_at": edit.corrected_at,
        "message": str(edit.message),
        "error_code": edit.error_code,
        "error_message": edit.error_message,
        "attempts": edit.attempt_count,
        "created_at": edit.created_at,
        "deadline_at": edit.deadline_at,
        "finished_at": edit.finished_at,
        "batch": edit.batch_id,
        "retry_of": edit.retry_of_id,
        "undo_of": edit.undo_of_id,
        "not_before": edit.not_before,
        "superseded_by": edit.superseded_by_id,
        "may_cancel": may and edit.may_be_cancelled,
        "may_retry": may and edit.may_be_retried,
        "may_undo": may and edit.may_be_undone,
        "url": edit.get_absolute_url(),
    }


def end_of(instance: Instance, patch: Mapping[str, Any]) -> datetime | None:
    """Return the end that an extension asks for, by our clock."""
    end_ms = patch.get("stop_timestamp_ms")
    return None if end_ms is None else extension.moment(instance.cloud, end_ms)


def batch(batch: EditBatch, progress: Progress, *, user: User) -> dict[str, Any]:
    return {
        "id": batch.pk,
        "actor": batch.actor_name,
        "policy": batch.policy_name or None,
        "schedule": batch.schedule_name or None,
        "scheduled_for": batch.scheduled_for,
        "change": display.batch_change_text(batch),
        "source": str(batch.source),
        "rule": batch.rule.name if batch.rule else None,
        "reason": batch.reason,
        "warns_owners": batch.warns_owners,
        "confirmed_at": batch.confirmed_at,
        "waits_for_approval": not batch.confirmed_at and batches.is_waiting(batch),
        "approved_by": batch.decided_by.get_username()
        if batch.confirmed_at and batch.decided_by
        else None,
        "retry_of": batch.retry_of_id,
        "undo_of": batch.undo_of_id,
        "progress": progress,
        "may_act": batches.can_act_on(user, batch),
        "url": batch.get_absolute_url(),
    }


def schedule_of(instance: Instance) -> dict[str, Any] | None:
    """Return the schedule that applies to an instance, and why."""
    applied = for_instances([instance], timezone.now()).get(instance.pk)
    return applied and {
        "id": applied.schedule.pk,
        "name": applied.schedule.name,
        "because": str(applied.because),
        "next_stop": applied.next_stop.at if applied.next_stop else None,
        "next_start": applied.next_start.at if applied.next_start else None,
    }


def schedule(schedule: Schedule, number: int, now: datetime) -> dict[str, Any]:
    """Return a schedule of ``schedules.selectors``; ``number`` of instances."""
    team, only = schedule.team, schedule.instance
    return {
        "id": schedule.pk,
        "position": schedule.position,
        "name": schedule.name,
        "reason": schedule.reason,
        "mode": schedule.mode,
        "time_zone": schedule.time_zone,
        "working_times": [
            {
                "weekdays": row.weekdays,
                "start": row.start.strftime("%H:%M") if row.start else None,
                "stop": row.stop.strftime("%H:%M"),
            }
            for row in schedule.working_times.all()
        ],
        "first_day": schedule.first_day,
        "last_day": schedule.last_day,
        "starts": schedule.starts,
        "holidays": [calendar.name for calendar in schedule.holidays.all()],
        "scope": {
            "cloud": schedule.cloud,
            "workspace": schedule.workspace_id,
            "flavor_type": schedule.flavor_type,
            "owner": schedule.owner,
            "team": team.name if team else "",
            "tag": schedule.tag,
            "instance": only.instance_id if only else "",
        },
        "instances": number,
        "next_moment": next_moment(schedule, now) if schedule.mode != "off" else None,
        "url": schedule.get_absolute_url(),
    }


def policy(rule: Rule) -> dict[str, Any]:
    """Return a policy; needs its team."""
    return {
        "id": rule.pk,
        "position": rule.position,
        "name": rule.name,
        "reason": rule.reason,
        "kind": rule.kind,
        "requirement": requirement(rule),
        "mode": rule.mode,
        "acts": rule.is_acting,
        "scope": {
            "cloud": rule.cloud,
            "workspace": rule.workspace_id,
            "flavor_type": rule.flavor_type,
            "owner": rule.owner,
            "team": rule.team.name if rule.team else "",
            "tag": rule.tag,
            "status": rule.status,
        },
        "url": rule.get_absolute_url(),
    }


def named(instance: Instance) -> dict[str, str]:
    return {
        "cloud": instance.cloud.name,
        "instance_id": instance.instance_id,
        "name": str(instance),
    }
