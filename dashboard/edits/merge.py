"""The three-way merge of base, current and requested values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dashboard.instances.capabilities import capabilities_of
from dashboard.instances.models import Instance
from dashboard.modelarts.results import WireInstance

from . import leases
from .models import Edit

FIELDS = (
    "name",
    "description",
    "tags",
    "auto_stop_enable",
    "auto_stop_duration",
    "auto_stop_prompt",
)
"""The settings of all generations, named as in ``Instance``. ``Capabilities.fields``
says which of them an instance has."""

OUR_OWN_FOR = timedelta(hours=1)
"""How long a value that we requested counts as ours."""


def mirror_values(instance: Instance) -> dict[str, Any]:
    """Return the settings and the lease of the mirror."""
    return {name: getattr(instance, name) for name in (*FIELDS, *leases.FIELDS)}


def cloud_values(wire: WireInstance) -> dict[str, Any]:
    """Return the settings and the lease in a response; None for absent values."""
    state = wire.state()
    capabilities = capabilities_of(state.generation)
    names = capabilities.fields
    if capabilities.has_lease:
        names = (*names, "auto_stop_enable", *leases.FIELDS)
    return {name: getattr(state, name) for name in names}


def is_same(left: Any, right: Any) -> bool:
    """Whether two values are the same to the cloud; no text equals an empty one."""
    return bool(_known(left) == _known(right))


def _known(value: Any) -> Any:
    return None if isinstance(value, str | dict) and not value else value


def is_applied(send: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    """Whether the cloud shows the sent values."""
    return all(is_same(current[name], value) for name, value in send.items())


def expected_values(instance: Instance) -> dict[str, Any]:
    """Return the settings as they will be after the open edits, and the lease.

    A form shows these values, since the next change builds on the open ones. The edits
    are read first, and the fields of ``instance`` are refreshed afterwards. In the
    other order, an edit that ends in between would be in neither.
    """
    open_edits = instance.edits.filter(state__in=Edit.OPEN, kind=Edit.Kind.UPDATE)
    patches = list(open_edits.order_by("seq").values_list("patch", flat=True))
    instance.refresh_from_db(fields=[*FIELDS, *leases.FIELDS])
    values = mirror_values(instance)
    for patch in patches:
        values |= patch
    return values


@dataclass(frozen=True)
class Difference:
    """The three values of a field in conflict."""

    field: str
    base: Any
    current: Any
    requested: Any


def differences(
    patch: Mapping[str, Any], base: Mapping[str, Any], current: Mapping[str, Any]
) -> list[Difference]:
    """Return the requested fields that have changed since the base.

    A field that already has the requested value is no difference; nor is one whose
    value was or is unknown.
    """
    return [
        Difference(name, base.get(name), current.get(name), requested)
        for name, requested in patch.items()
        if base.get(name) is not None
        and current.get(name) not in (None, base[name], requested)
    ]


_SETTINGS, _POWER, _LEASE = "settings", "power", "lease"
_FAMILIES = {Edit.Kind.START: _POWER, Edit.Kind.STOP: _POWER, Edit.Kind.EXTEND: _LEASE}


def _family(edit: Edit) -> str:
    return _FAMILIES.get(Edit.Kind(edit.kind), _SETTINGS)


def of_one_kind(edits: Sequence[Edit]) -> list[Edit]:
    """Return the first edits that may replace each other.

    Changes of settings; starts and stops; or extensions. A start between two changes
    separates them, since it uses the current duration.
    """
    leading: list[Edit] = []
    for edit in edits:
        if _family(edit) != _family(edits[0]):
            break
        leading.append(edit)
    return leading


def is_one_kind(edit: Edit, other: Edit) -> bool:
    """Whether one of two edits may replace the other; see ``of_one_kind``."""
    return _family(edit) == _family(other)


def of_one_request(edits: Sequence[Edit]) -> list[Edit]:
    """Return the first edits that are delivered together; each extension is alone."""
    return list(edits[:1] if edits and _family(edits[0]) == _LEASE else edits)


def superseded(edits: Sequence[Edit]) -> dict[Edit, Edit]:
    """Return the edits that later ones replace completely, each with the newest one.

    Args:
        edits: Of one kind, oldest first.
    """
    newest_by_edit: dict[Edit, Edit] = {}
    for position, edit in enumerate(edits):
        later = edits[position + 1 :]
        if later and _is_replaced(edit, later):
            newest_by_edit[edit] = later[-1]
    return newest_by_edit


def _is_replaced(edit: Edit, later: Sequence[Edit]) -> bool:
    family = _family(edit)
    if family == _POWER:
        return True
    if family == _SETTINGS:
        requested_later = {name for other in later for name in other.patch}
        return set(edit.patch) <= requested_later
    # An extension to an earlier end shortens no run, so it replaces nothing.
    requested, newest = (leases.requested_lease(one.patch) for one in (edit, later[-1]))
    return not leases.is_shorter_end(newest, requested)


@dataclass
class MergeResult:
    """What to do with the edits of a delivery.

    Attributes:
        send: Fields and values to send; empty if the cloud has all requested values.
        conflicts: Edits that must not be sent, each with its differences.
        newer_by_field: By edit and field: the newer edit of the same request that
            requests another value.
    """

    send: dict[str, Any] = field(default_factory=dict)
    conflicts: dict[Edit, list[Difference]] = field(default_factory=dict)
    newer_by_field: dict[Edit, dict[str, Edit]] = field(default_factory=dict)


def merge(
    edits: Sequence[Edit],
    current: Mapping[str, Any],
    earlier: Iterable[Edit],
    late: Mapping[str, Any] | None = None,
) -> MergeResult:
    """Compare the current, base and requested value of each field.

    A field that has the requested value is not sent. A field that has the base value,
    or a value of an earlier edit of ours that may have been applied late or not at all,
    is sent. Any other value is another person's change: a conflict. Nothing of an edit
    in conflict is sent; for each of its fields the next older edit counts instead.

    Args:
        edits: The edits of the delivery, oldest first; the newest counts for a field.
        current: The cloud's values (``cloud_values``).
        earlier: ``Delivery.earlier_edits``.
        late: Values that were applied late, by field.
    """
    merged = MergeResult()
    ours = {name: [value] for name, value in (late or {}).items()}
    for edit in [*earlier, *edits]:
        for name, value in edit.patch.items():
            ours.setdefault(name, []).extend((value, edit.base.get(name)))
    carried = list(edits)
    while True:
        newest = {name: edit for edit in carried for name in edit.patch}
        conflicts = {
            edit: differing
            for edit in carried
            if (differing := _foreign_changes(edit, newest, current, ours))
        }
        if not conflicts:
            break
        merged.conflicts |= conflicts
        carried = [edit for edit in carried if edit not in conflicts]
    for name, edit in newest.items():
        if not is_same(edit.patch[name], current[name]):
            merged.send[name] = edit.patch[name]
        for older in carried:
            if older.patch.get(name, edit.patch[name]) != edit.patch[name]:
                merged.newer_by_field.setdefault(older, {})[name] = edit
    return merged


def _foreign_changes(
    edit: Edit,
    newest: Mapping[str, Edit],
    current: Mapping[str, Any],
    ours: Mapping[str, Sequence[Any]],
) -> list[Difference]:
    """Return the other people's changes of the fields in which this edit is newest."""
    patch = {name: edit.patch[name] for name in edit.patch if newest[name] is edit}
    return [
        difference
        for difference in differences(patch, edit.base, current)
        if difference.current not in ours.get(difference.field, ())
    ]


def recent_edits(instance: Instance) -> list[Edit]:
    """Return the recent edits of an instance, oldest first."""
    recent = Edit.objects.filter(
        instance=instance, created_at__gte=timezone.now() - OUR_OWN_FOR
    )
    return list(
        recent.select_related("actor", "rule", "instance__cloud").order_by("seq")
    )
