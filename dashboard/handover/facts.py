"""Lines of a handover: about one instance, or about several as one fact."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, F, Max, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.countdown import status_message
from dashboard.instances.models import Instance
from dashboard.policies.messages import POLICY
from dashboard.policies.models import RuleException
from dashboard.schedules.messages import SCHEDULE
from dashboard.web.stored_messages import Message

from . import messages
from .document import Item, Named, Section

MAX_NAMES = 5
"""Per line; of further instances it has only the number."""

MAX_LINES = 8
"""Per section, likewise."""

_LARGE = tuple(f"instance__{name}" for name in ("document", "search_text"))
_LARGE_LISTS = ("selection", "plan")
_GROUP = ("policy_name", "schedule_name", "first_batch", "actor_id", "kind")


class _Group(NamedTuple):
    """Edits that are one line.

    Of a policy or a schedule and a kind, of a bulk change, or of a person and a kind.
    """

    policy_name: str
    schedule_name: str
    first_batch: Any
    actor_id: int | None
    kind: str


def instances_item(
    message: Message, instances: QuerySet[Instance], *, query: str = "", **fields: Any
) -> Item | None:
    """Return a line about all these instances, which names the first; None for none.

    Args:
        message: What is true of them.
        instances: In the order in which they are named.
        query: Query string of the list that shows them, if there is one.
        fields: Further fields of the line.
    """
    values = instances.values_list("name", "cloud__name", "instance_id")
    names = [
        Named(name or instance_id, cloud, instance_id)
        for name, cloud, instance_id in values[: MAX_NAMES + 1]
    ]
    if not names:
        return None
    total = len(names) if len(names) <= MAX_NAMES else instances.count()
    if total > len(names):
        # "and 1 more" takes as much space as a name.
        del names[MAX_NAMES:]
    return Item(
        "", message=message, total=total, names=tuple(names), query=query, **fields
    )


def section(
    key: str,
    queryset: QuerySet[Any],
    item: Callable[[Any], Item],
    limit: int = MAX_LINES,
) -> Section:
    """Return a section with a line for each row."""
    items = [item(row) for row in queryset[:limit]]
    # Count only if these are not all.
    total = len(items) if len(items) < limit else queryset.count()
    return Section(key, items, total)


def edits_section(
    key: str, edits: QuerySet[Edit], *, limit: int = MAX_LINES
) -> Section:
    """Return a section with a line for each group of edits, largest first.

    A policy or schedule, a bulk change with its retries, and the changes of one kind by
    one person are one line each. A single change of a person is described.
    """
    first_batch = Coalesce(F("batch__retry_of_id"), F("batch_id"))
    edits = edits.order_by().annotate(first_batch=first_batch)
    changed_at = Coalesce("finished_at", "created_at")
    rows = edits.values(*_GROUP, "state").annotate(
        number=Count("pk"), last=Max(changed_at)
    )
    states: dict[_Group, dict[str, int]] = defaultdict(dict)
    last: dict[_Group, datetime] = {}
    for row in rows:
        group = _group(row)
        counts = states[group]
        counts[row["state"]] = counts.get(row["state"], 0) + row["number"]
        last[group] = max(last.get(group, row["last"]), row["last"])
    totals = {group: sum(counts.values()) for group, counts in states.items()}
    largest = sorted(states, key=lambda group: (totals[group], last[group]))
    groups = largest[: -limit - 1 : -1]
    described = _described(edits, groups)
    large = [f"{batch}{name}" for batch in ("", "undo_of__") for name in _LARGE_LISTS]
    batches = (
        EditBatch.objects.select_related("undo_of")
        .defer(*large)
        .in_bulk({group.first_batch for group in groups if group.first_batch})
    )
    usernames = dict(
        User.objects.filter(pk__in={group.actor_id for group in groups}).values_list(
            "pk", "username"
        )
    )
    items = []
    for group in groups:
        total, first = totals[group], described[group]
        is_automatic = group.policy_name or group.schedule_name
        if total == 1 and len(first) == 1 and not is_automatic:
            items.append(edit_item(first[0]))
            continue
        batch = batches.get(group.first_batch)
        items.append(
            Item(
                "",
                batch_id=str(batch.pk) if batch else "",
                change=_change(batch, group.kind, states[group]),
                who=usernames.get(group.actor_id or 0, ""),
                message=_automatic_actor(group),
                total=total,
                # A bulk change has a page of its own, which names them.
                names=() if batch and total > MAX_NAMES else tuple(map(_named, first)),
                at=last[group],
            )
        )
    return Section(key, items, sum(totals.values()))


def edit_item(edit: Edit) -> Item:
    """Return a line about one change."""
    return instance_item(
        edit.instance,
        edit_id=str(edit.pk),
        change={
            "kind": edit.kind,
            "patch": edit.patch,
            "skew_ms": edit.instance.cloud.skew_ms,
            "state": "" if edit.state == Edit.State.APPLIED else edit.state,
        },
        who=edit.actor_name,
        at=edit.finished_at or edit.created_at,
    )


def request_item(request: RuleException) -> Item:
    return instance_item(
        request.instance,
        who=str(request.asked_by),
        message=messages.REQUEST(policy=request.rule.name, reason=request.reason),
        at=request.asked_at,
    )


def approval_item(batch: EditBatch) -> Item:
    return Item(
        "",
        batch_id=str(batch.pk),
        change=_change(batch, batch.kind, {}),
        who=batch.actor_name,
        message=messages.APPROVAL(number=len(batch.plan)),
        at=batch.approval_asked_at,
    )


def instance_item(instance: Instance, **fields: Any) -> Item:
    return Item(
        instance.name or instance.instance_id,
        instance.cloud.name,
        instance.instance_id,
        **({"who": instance.owner_name} | fields),
    )


def status(instance: Instance) -> Message:
    """Return the status of an instance, or that the cloud no longer lists it."""
    if instance.missing_since:
        return messages.MISSING()
    return status_message(instance.status)


def _described(
    edits: QuerySet[Edit], groups: Sequence[_Group]
) -> dict[_Group, list[Edit]]:
    """Return the newest edits of each group."""
    place = Window(
        RowNumber(),
        partition_by=[F(name) for name in _GROUP],
        order_by=[F("created_at").desc(), F("seq").desc()],
    )
    first = edits.annotate(place=place).filter(place__lte=MAX_NAMES)
    described: dict[_Group, list[Edit]] = {group: [] for group in groups}
    for edit in first.defer(*_LARGE).order_by("place", "pk"):
        group = described.get(_group(vars(edit)), [])
        if len(group) < MAX_NAMES:
            group.append(edit)
    return described


def _group(row: dict[str, Any]) -> _Group:
    if row["policy_name"] or row["schedule_name"]:
        names = row["policy_name"], row["schedule_name"]
        return _Group(*names, None, None, row["kind"])
    if row["first_batch"]:
        return _Group("", "", row["first_batch"], row["actor_id"], "")
    return _Group("", "", None, row["actor_id"], row["kind"])


def _change(batch: EditBatch | None, kind: str, states: dict[str, int]) -> Any:
    """Return ``Item.change`` of a bulk change, or of changes of one kind."""
    done = batch and (batch.undo_of or batch)
    return {
        "kind": done.kind if done else kind,
        "patch": done.patch if done else None,
        "keeps_hours": bool(done and done.keeps_hours),
        "is_undo": bool(batch and batch.undo_of),
        "states": states,
    }


def _automatic_actor(group: _Group) -> Message:
    """Return the policy or schedule of a group; empty if it has neither."""
    if group.schedule_name:
        return SCHEDULE(schedule=group.schedule_name)
    name = group.policy_name
    return POLICY(policy=name) if name else Message()


def _named(edit: Edit) -> Named:
    instance = edit.instance
    name = instance.name or instance.instance_id
    return Named(name, instance.cloud.name, instance.instance_id)
