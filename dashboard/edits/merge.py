"""The three-way merge of base, current and requested values: rules without calls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dashboard.instances.models import Instance
from dashboard.modelarts import schemas

from .models import Edit

FIELDS = (
    "description",
    "auto_stop_enable",
    "auto_stop_duration",
    "auto_stop_prompt",
)
"""Everything the cloud lets be changed (tables 2 to 4), by the mirror's names."""

AUTO_STOP_FIELDS = frozenset(FIELDS[1:])

OUR_OWN_FOR = timedelta(hours=1)
"""How long a late value that we requested is still taken for ours."""


def mirror_values(instance: Instance) -> dict[str, Any]:
    """The editable fields as the mirror last knew them."""
    return {name: getattr(instance, name) for name in FIELDS}


def cloud_values(wire: schemas.Instance) -> dict[str, Any]:
    """The editable fields of a response; None for what it lacks."""
    auto_stop = (wire.spec and wire.spec.auto_stop) or schemas.AutoStop()
    return {
        "description": wire.description,
        "auto_stop_enable": auto_stop.enable,
        "auto_stop_duration": auto_stop.duration,
        "auto_stop_prompt": auto_stop.prompt,
    }


def is_applied(send: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the cloud shows what was sent; no description is an empty one.

    Args:
        send: Fields and values that went out.
        now: ``cloud_values``.
    """
    shown = {**now, "description": now["description"] or ""}
    return all(shown[name] == value for name, value in send.items())


def expected_values(instance: Instance) -> dict[str, Any]:
    """The editable fields as they will be once the open edits are through.

    A form opens with these: the next change builds on those under way. The row is read
    after them, since an edit that has just ended would be in neither otherwise.
    """
    waiting = instance.edits.filter(state__in=Edit.OPEN, kind=Edit.Kind.UPDATE)
    patches = list(waiting.order_by("seq").values_list("patch", flat=True))
    instance.refresh_from_db(fields=FIELDS)
    values = mirror_values(instance)
    for patch in patches:
        values |= patch
    return values


@dataclass(frozen=True)
class Difference:
    """One field that is not what the person saw: three values to choose from."""

    field: str
    base: Any
    now: Any
    requested: Any


def differences(
    patch: Mapping[str, Any], base: Mapping[str, Any], now: Mapping[str, Any]
) -> list[Difference]:
    """The requested fields that somebody else changed since the person looked.

    A field that already is as requested is no difference; nor is one whose value was or
    is unknown.
    """
    return [
        Difference(name, base.get(name), now.get(name), requested)
        for name, requested in patch.items()
        if base.get(name) is not None
        and now.get(name) not in (None, base[name], requested)
    ]


def of_one_kind(edits: Sequence[Edit]) -> list[Edit]:
    """The leading edits that one request can carry: changes, or starts and stops.

    A start between two changes is a border: the duration is taken when it happens.
    """
    leading: list[Edit] = []
    for edit in edits:
        if (edit.kind == Edit.Kind.UPDATE) != (edits[0].kind == Edit.Kind.UPDATE):
            break
        leading.append(edit)
    return leading


def superseded(edits: Sequence[Edit]) -> dict[Edit, Edit]:
    """The edits of which nothing is left, each with the newest one that covers it.

    Args:
        edits: Of one kind, oldest first.
    """
    gone: dict[Edit, Edit] = {}
    for position, edit in enumerate(edits):
        later = edits[position + 1 :]
        if edit.kind == Edit.Kind.UPDATE:
            requested_later = {name for other in later for name in other.patch}
            covered = bool(later) and edit.patch.keys() <= requested_later
        else:
            covered = bool(later)
        if covered:
            gone[edit] = later[-1]
    return gone


@dataclass
class MergeResult:
    """What to do with a turn's edits, now that the cloud's values are known.

    Attributes:
        send: Fields and values that have to go out; empty when all is as requested.
        conflicts: Edits that must not be sent, each with what differs.
        replaced: For each edit, the fields of which a newer one in the same request
            asks for another value, and that newer one.
    """

    send: dict[str, Any] = field(default_factory=dict)
    conflicts: dict[Edit, list[Difference]] = field(default_factory=dict)
    replaced: dict[Edit, dict[str, Edit]] = field(default_factory=dict)


def merge(
    edits: Sequence[Edit],
    now: Mapping[str, Any],
    earlier: Iterable[Edit],
    late: Mapping[str, Any] | None = None,
) -> MergeResult:
    """Compare field by field what is, what was and what is requested.

    A field equal to the request needs nothing. A field equal to what the person saw, or
    to a value of an earlier edit of ours that may have taken effect late or not at all,
    is sent. Anything else is another person's change: a conflict. Nothing of an
    edit in conflict is sent, so that an older value of one of its fields counts again.

    Args:
        edits: The turn's changes, oldest first; of the same field the newest counts.
        now: The cloud's values (``cloud_values``).
        earlier: ``earlier_edits`` of these.
        late: Values that landed late, by field.
    """
    merged = MergeResult()
    ours: dict[str, list[Any]] = {name: [at] for name, at in (late or {}).items()}
    for edit in [*earlier, *edits]:
        for name, value in edit.patch.items():
            ours.setdefault(name, []).extend((value, edit.base.get(name)))
    carried = list(edits)
    while True:
        newest = {name: edit for edit in carried for name in edit.patch}
        strange = {
            edit: differing
            for edit in carried
            if (differing := _strange(edit, newest, now, ours))
        }
        if not strange:
            break
        merged.conflicts |= strange
        carried = [edit for edit in carried if edit not in strange]
    for name, edit in newest.items():
        if edit.patch[name] != now[name]:
            merged.send[name] = edit.patch[name]
        for older in carried:
            if older.patch.get(name, edit.patch[name]) != edit.patch[name]:
                merged.replaced.setdefault(older, {})[name] = edit
    return merged


def _strange(
    edit: Edit,
    newest: Mapping[str, Edit],
    now: Mapping[str, Any],
    ours: Mapping[str, Sequence[Any]],
) -> list[Difference]:
    """What somebody else changed of the fields in which this edit is the newest."""
    mine = {name: edit.patch[name] for name in edit.patch if newest[name] is edit}
    before = {name: now[name] for name in mine if now[name] in ours.get(name, ())}
    return [
        difference
        for difference in differences(mine, edit.base, now)
        if difference.field not in before
    ]


def earlier_edits(edits: Sequence[Edit]) -> list[Edit]:
    """Recent other edits of the same instance, on whose values these may build.

    Superseded ones between them, too: the later ones were made seeing those.
    """
    last = edits[-1]
    return list(
        Edit.objects.filter(
            instance_id=last.instance_id,
            seq__lt=last.seq,
            kind=Edit.Kind.UPDATE,
            created_at__gte=timezone.now() - OUR_OWN_FOR,
        ).exclude(pk__in=[edit.pk for edit in edits])
    )


def recent_edits(instance: Instance) -> list[Edit]:
    """All recent edits of an instance, oldest first, with their authors."""
    recent = Edit.objects.filter(
        instance=instance, created_at__gte=timezone.now() - OUR_OWN_FOR
    )
    return list(
        recent.select_related("actor", "rule", "instance__cloud").order_by("seq")
    )


def request_for(
    send: Mapping[str, Any], now: Mapping[str, Any]
) -> schemas.UpdateInstanceRequest:
    """The body that changes just these fields.

    ``auto_stop`` always travels with ``enable``, whose absence means false, and an
    enabled one with its ``duration`` (ModelArts.6348): both as they are in the cloud
    unless they are what changes.

    Raises:
        pydantic.ValidationError: The cloud holds a companion value that it would
            refuse.
    """
    auto_stop = None
    if AUTO_STOP_FIELDS & send.keys():
        enable = bool(send.get("auto_stop_enable", now["auto_stop_enable"]))
        duration = send.get("auto_stop_duration")
        if duration is None and enable:
            duration = now["auto_stop_duration"]
        auto_stop = schemas.AutoStopChange(
            enable=enable, duration=duration, prompt=send.get("auto_stop_prompt")
        )
    return schemas.UpdateInstanceRequest(
        description=send.get("description"), auto_stop=auto_stop
    )
