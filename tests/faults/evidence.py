"""What the witnesses of a run have to say, in one plain structure.

The database is one witness, the cloud's own log and state the other. Times are Unix
milliseconds.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import translation

from dashboard.audit.models import AuditEvent
from dashboard.edits import outcome_text
from dashboard.edits.models import Attempt, Edit

Values = dict[str, Any]
RENEW = "notebooks.renew"
WRITES = frozenset({"update", "notebooks.update", RENEW})
"""The routes of the requests that change an instance."""


@dataclass(frozen=True)
class Acceptance:
    """Somebody was told that an edit is accepted.

    Attributes:
        form: Names the form that was posted; the same one posted twice is one edit.
        requested: The requested values, by the names of ``Edit.patch``.
        began_ms: When the form was posted.
        ended_ms: When the answer was there.
    """

    form: str
    instance: str
    actor: str
    requested: Values
    began_ms: float
    ended_ms: float


@dataclass(frozen=True)
class Stranger:
    """Somebody changed an instance in the cloud's console."""

    instance: str
    values: Values
    at_ms: int


@dataclass
class Evidence:
    """Everything a checker goes by.

    Attributes:
        edits: Rows, with ``actor`` by name, times, and what pages say of each
            (``said``).
        attempts: Rows, with the ids of their ``edits``.
        events: Audit events about edits, in the order of writing.
        log: The emulator's requests.
        before: Each instance's values when the run began, by instance.
        after: The same at its end.
        accepted: What people were told.
        strangers: Changes from outside.
        demoted: From when on a person had no rights any more.
    """

    edits: list[Values]
    attempts: list[Values]
    events: list[Values]
    log: list[Values]
    before: dict[str, Values]
    after: dict[str, Values]
    accepted: list[Acceptance] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    demoted: dict[str, int] = field(default_factory=dict)


def from_database() -> dict[str, list[Values]]:
    """The rows, as JSON can carry them."""
    return {
        "edits": [_edit(edit) for edit in _edits()],
        "attempts": [
            {
                "instance": attempt.instance.instance_id,
                "number": attempt.number,
                "body": attempt.body,
                "outcome": attempt.outcome,
                "edits": [str(edit.pk) for edit in attempt.edits.all()],
                "started_ms": milliseconds(attempt.started_at),
                "sent_ms": milliseconds(attempt.sent_at),
                "ambiguous": attempt.ambiguous,
            }
            for attempt in Attempt.objects.select_related("instance")
            .prefetch_related("edits")
            .order_by("instance", "number")
        ],
        "events": [
            {
                "edit": event.target_id,
                "action": event.action,
                "at_ms": milliseconds(event.at),
                "before": event.before,
                "after": event.after,
            }
            for event in AuditEvent.objects.filter(target_kind="edit").order_by("pk")
        ],
    }


def _edits() -> Iterable[Edit]:
    found = Edit.objects.select_related("instance__cloud", "actor")
    return found.order_by("instance", "seq")


def _edit(edit: Edit) -> Values:
    fields = ("seq", "kind", "patch", "base", "state", "attempt_count", "interrupted")
    fields += ("outcome", "newer_by_field", "message")
    with translation.override("en"):
        said = outcome_text.sentence(edit)
    return {name: getattr(edit, name) for name in fields} | {
        "id": str(edit.pk),
        "said": f"{said} {edit.message}".strip(),
        "instance": edit.instance.instance_id,
        "actor": edit.actor_name,
        "superseded_by": str(edit.superseded_by_id or ""),
        "created_ms": milliseconds(edit.created_at),
        "deadline_ms": milliseconds(edit.deadline_at),
        "finished_ms": milliseconds(edit.finished_at),
    }


def milliseconds(moment: datetime | None) -> float | None:
    """Unix milliseconds."""
    return None if moment is None else moment.timestamp() * 1000


END = "stop_timestamp_ms"
"""The field of a lease: the end of this run, by the cloud's clock."""


def cloud_values(instance: Values) -> Values:
    """The editable fields of an instance or a notebook as the emulator keeps it."""
    if "lease" in instance:
        return {
            "name": instance["name"],
            "description": instance["description"],
            END: instance["ends_ms"],
        }
    auto_stop = instance["auto_stop"]
    return {
        "description": instance["description"],
        "auto_stop_enable": auto_stop["enable"],
        "auto_stop_duration": auto_stop["duration_seconds"],
        "auto_stop_prompt": auto_stop["prompt"],
    }


def values_in(body: str) -> Values:
    """The same fields, as far as the body of a PUT names them."""
    document = json.loads(body)
    auto_stop = (document.get("spec") or {}).get("auto_stop") or {}
    found = {"auto_stop_" + name: value for name, value in auto_stop.items()}
    for name in ("name", "description"):
        if name in document:
            found[name] = document[name]
    return found


def stored_in(entry: Values) -> Values:
    """The same fields, as a request that took effect left them in the cloud."""
    if entry["route"] != RENEW:
        return values_in(entry["body"])
    lease = entry["applied"]["values"]["lease"]
    return {END: lease["create_at"] + lease["duration"]}
