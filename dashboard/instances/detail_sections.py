"""Everything known about an instance, put in words and order for its page.

Read from the stored document, member by member: nothing gets to the page because it
happened to be in the document. Tables are those of "Modifying the Description of a
Development Environment Instance" in the ModelArts API Reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from dashboard.modelarts import schemas
from dashboard.modelarts.codes import meaning_of
from dashboard.modelarts.messages import Text
from dashboard.web.stored_messages import Message

from . import messages
from .durations import exact_text
from .mapping import moment
from .messages import message_of
from .models import Instance

HISTORY = 20
"""Edits and events shown on the page."""


@dataclass(frozen=True)
class DetailItem:
    """One line: a name and either a text or a moment.

    Attributes:
        code: The text is a technical name, to be set in a fixed-width face.
    """

    label: str
    text: str = ""
    at: datetime | None = None
    code: bool = False


@dataclass(frozen=True)
class Section:
    """Facts that belong together."""

    title: str
    items: list[DetailItem]


@dataclass(frozen=True)
class Failure:
    """Why the cloud could not do it.

    Attributes:
        sentence: Ours, in plain words.
        message: The cloud's own, beside its code.
        details: What else it said, by its names.
    """

    sentence: Message
    code: str
    message: str
    details: list[DetailItem]


def sections(instance: Instance) -> list[Section]:
    """All that is known, but for clocks and settings; empty sections are left out."""
    wire = stored_document(instance)
    groups = [
        Section(gettext("Queue"), _queue(wire.queuing_info)),
        Section(gettext("Hardware"), _hardware(instance, wire.flavor_details)),
        Section(gettext("Storage"), _storage(wire.spec)),
        Section(gettext("Software"), _software(wire.profile)),
        Section(gettext("Location"), _place(instance, wire)),
        Section(gettext("Repository"), _repository(wire)),
        Section(gettext("Identity"), _identity(instance)),
        Section(gettext("Times"), _times(instance, wire.spec)),
        Section(gettext("Annotations"), _annotations(wire.spec)),
    ]
    return [group for group in groups if group.items]


def failure(instance: Instance) -> Failure | None:
    """What went wrong with the instance itself; None when nothing is told."""
    wire = stored_document(instance)
    reasons = (wire.spec and wire.spec.failed_reasons) or schemas.FailedReasons()
    code = reasons.code or wire.error_code or ""
    details = _map_items(reasons.detail)
    if not (code or reasons.message or details):
        return None
    known = meaning_of(400, code)
    said = message_of(Text(known.message)) if known else messages.FAILURE()
    return Failure(said, code, reasons.message or "", details)


def stored_document(instance: Instance) -> schemas.Instance:
    """The cloud's document as it was last stored, whatever its id is."""
    wire = schemas.Instance.model_validate({**instance.document, "id": "-"})
    return wire.model_copy(update={"id": instance.instance_id})


def _queue(queue: schemas.QueuingInfo | None) -> list[DetailItem]:
    if queue is None:
        return []
    return _told(
        _text(gettext("Queue position"), queue.rank),
        _text(gettext("Pending action"), _word(_QUEUES, queue.status)),
        _at(gettext("Queued since"), queue.begin_timestamp),
        _at(gettext("Estimated start"), queue.end_timestamp),
        _text(gettext("Flavor"), queue.flavor, code=True),
    )


_QUEUES = {
    "CREATE_QUEUING": gettext_lazy("Create"),
    "START_QUEUING": gettext_lazy("Start"),
}


def _hardware(
    instance: Instance, flavor: schemas.FlavorDetails | None
) -> list[DetailItem]:
    known = flavor or schemas.FlavorDetails()
    params = known.params or {}
    return _told(
        _text(gettext("Flavor"), instance.flavor, code=True),
        _text(gettext("Type"), instance.flavor_type),
        *(
            _text(_word(_PARAMS, name), _param_text(value))
            for name, value in sorted(params.items(), key=_param_order)
        ),
        _text(gettext("Availability"), _word(_SALE, known.status)),
        _text(gettext("Queue length"), known.queuing_num),
        _span(gettext("Estimated wait"), known.queue_left_time),
        _yes_no(gettext("Permitted for this account"), known.is_permitted),
        _text(gettext("Discount"), _word(_PROMOTIONS, known.promo_type, else_="")),
        _text(gettext("Billed as"), known.billing_flavor, code=True),
        _text(gettext("Billing ratio"), known.billing_params),
        _text(gettext("Instances of this flavor"), known.instance_num),
        _span(gettext("Flavor time limit"), known.duration),
        _text(gettext("Idle retention"), _store_time(known.store_time)),
        _text(gettext("Supported storage"), ", ".join(known.storage_list or [])),
    )


_PARAMS = {
    "CPU": gettext_lazy("CPUs"),
    "GPU": gettext_lazy("GPUs"),
    "NPU": gettext_lazy("NPUs"),
    "gpu_type": gettext_lazy("GPU type"),
    "memory": gettext_lazy("Memory"),
    "graphics_memory": gettext_lazy("GPU memory"),
    "type": gettext_lazy("Architecture"),
}
_SALE = {"onsale": gettext_lazy("Available"), "soldout": gettext_lazy("Sold out")}
_PROMOTIONS = {"free": gettext_lazy("Free"), "nodiscount": gettext_lazy("None")}


def _word(
    words: Mapping[str, Promise], name: str | None, *, else_: str | None = None
) -> str:
    """What a name of the cloud's means; one we do not know stands as it is."""
    known = words.get(name or "") or words.get((name or "").lower())
    if known:
        return str(known)
    return (name or "") if else_ is None else else_


def _param_order(item: tuple[str, Any]) -> tuple[int, str]:
    names = list(_PARAMS)
    name = item[0]
    return (names.index(name) if name in names else len(names), name)


def _param_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_param_text(member) for member in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_param_text(held)}" for key, held in value.items())
    return "" if value is None else str(value)


def _store_time(hours: int | None) -> str | None:
    if hours is None:
        return None
    return gettext("Indefinite") if hours == -1 else exact_text(hours * 3_600)


def _storage(spec: schemas.NotebookSpec | None) -> list[DetailItem]:
    if spec is None:
        return []
    items = []
    if spec.storage:
        items += _one_storage(spec.storage, "")
    further = spec.extend_storage or []
    for number, storage in enumerate(further, start=1):
        items += _one_storage(
            storage, gettext("Additional storage %(number)s") % {"number": number}
        )
    return items


def _one_storage(storage: schemas.Storage, prefix: str) -> list[DetailItem]:
    location = storage.location or schemas.Location()
    size = location.volume_size
    size_text = None if size is None else f"{size} {location.volume_unit or 'GB'}"
    lines = _told(
        _text(gettext("Type"), _word(_STORAGE, storage.type)),
        _text(gettext("Path"), location.path, code=True),
        _text(gettext("Size"), size_text),
    )
    if not prefix:
        return lines
    return [
        DetailItem(f"{prefix}: {fact.label}", fact.text, code=fact.code)
        for fact in lines
    ]


_STORAGE = {
    "obs": gettext_lazy("object storage (OBS)"),
    "evs": gettext_lazy("disk (EVS)"),
    "efs": gettext_lazy("file storage (EFS)"),
    "obsfs": gettext_lazy("parallel file system (OBSFS)"),
}


def _software(profile: schemas.Profile | None) -> list[DetailItem]:
    if profile is None:
        return []
    provision = profile.provision or schemas.Provision()
    deployment = provision.spec or schemas.ProvisionSpec()
    image = deployment.params or schemas.ProvisionParams()
    same = profile.name in (None, profile.id)
    return _told(
        _text(gettext("Work environment"), profile.name or profile.id),
        _text(gettext("Profile"), profile.description),
        _text(gettext("Profile id"), None if same else profile.id, code=True),
        _text(gettext("Accelerator"), profile.flavor_type),
        _text(gettext("Image"), _image_name(image), code=True),
        _text(
            gettext("Runtime"),
            _joined(profile.de_type, provision.type, deployment.engine),
        ),
        *_map_items(profile.labels, gettext("Label") + " "),
        *_map_items(provision.annotations, gettext("Provisioning") + ": "),
        *_map_items(image.annotations, gettext("Image") + ": "),
    )


def _image_name(image: schemas.ProvisionParams) -> str:
    path = "/".join(part for part in (image.namespace, image.image_name) if part)
    return ":".join(part for part in (path, image.image_tag) if part)


def _place(instance: Instance, wire: schemas.Instance) -> list[DetailItem]:
    pool = wire.pool or schemas.Pool()
    workspace = instance.workspace_id
    spec = wire.spec or schemas.NotebookSpec()
    return _told(
        _text(gettext("Cloud"), instance.cloud.name),
        _text(
            gettext("Workspace"),
            gettext("default (0)") if workspace == "0" else workspace,
        ),
        _text(gettext("Resource pool"), pool.name or pool.id),
        _text(gettext("Pool id"), pool.id if pool.name else None, code=True),
        _text(gettext("Pool type"), _word(_POOLS, pool.type)),
        _text(
            gettext("Project of the pool"),
            pool.owner.project_id if pool.owner else None,
            code=True,
        ),
        _text(gettext("AI project"), wire.ai_project.id if wire.ai_project else None),
        _text(gettext("Log path"), spec.log_path, code=True),
        _text(gettext("Start-up script"), spec.custom_script_path, code=True),
    )


_POOLS = {"USER_DEFINED": gettext_lazy("dedicated")}


def _repository(wire: schemas.Instance) -> list[DetailItem]:
    # Documented at the top (table 5), sampled inside spec (table 14).
    repository = wire.repository or (wire.spec and wire.spec.repository)
    if not repository:
        return []
    connection = repository.connection_info or schemas.ConnectionInfo()
    return _told(
        _text(gettext("Address"), connection.url, code=True),
        _text(gettext("Branch"), repository.branch, code=True),
        _text(gettext("User"), repository.user_name),
        _text(gettext("Stored in"), repository.type),
        _text(gettext("Protocol"), connection.protocol),
        _text(gettext("Repository id"), repository.id, code=True),
    )


def _identity(instance: Instance) -> list[DetailItem]:
    received_id = instance.document.get("received_id")
    return _told(
        _text(gettext("Instance id"), instance.instance_id, code=True),
        _text(gettext("Id as received"), received_id, code=True),
        _text(gettext("Owner"), instance.owner_name),
        _text(gettext("Owner id"), instance.owner_id, code=True),
    )


def _times(instance: Instance, spec: schemas.NotebookSpec | None) -> list[DetailItem]:
    return _told(
        DetailItem(gettext("Created"), at=instance.created_at),
        DetailItem(gettext("Last updated"), at=instance.updated_at),
        DetailItem(gettext("Started"), at=instance.run_started_at),
        _at(
            gettext("Reserved until"),
            spec.resource_reserved_timestamp if spec else None,
        ),
        DetailItem(gettext("Discovered"), at=instance.first_seen_at),
        DetailItem(gettext("Missing since"), at=instance.missing_since),
    )


def _annotations(spec: schemas.NotebookSpec | None) -> list[DetailItem]:
    if spec is None:
        return []
    # ``url`` cannot be opened without a token, so it is never a link (table 14).
    return [*_map_items(spec.annotations), *_map_items(spec.extend_params)]


def _map_items(members: dict[str, str] | None, prefix: str = "") -> list[DetailItem]:
    lines = (members or {}).items()
    return _told(*(_text(prefix + key, value, code=True) for key, value in lines))


def _text(label: str, value: str | int | None, *, code: bool = False) -> DetailItem:
    return DetailItem(label, "" if value is None else str(value), code=code)


def _span(label: str, seconds: int | None) -> DetailItem:
    if seconds is None:
        return DetailItem(label)
    return DetailItem(label, exact_text(seconds) if seconds >= 0 else f"{seconds} s")


def _yes_no(label: str, value: bool | None) -> DetailItem:
    return DetailItem(
        label, {None: "", True: gettext("Yes"), False: gettext("No")}[value]
    )


def _at(label: str, ms: int | None) -> DetailItem:
    return DetailItem(label, at=moment(ms))


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _told(*items: DetailItem) -> list[DetailItem]:
    """Those that say something."""
    return [fact for fact in items if fact.text or fact.at]
