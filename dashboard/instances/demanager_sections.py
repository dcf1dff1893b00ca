"""The sections of the page of an instance of the old API.

Each member is read by its name, so nothing reaches the page only because the document
contains it. The tables cited are those of "Modifying the Description of a Development
Environment Instance" in the ModelArts API Reference.
"""

import re
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _

from dashboard.modelarts import schemas
from dashboard.modelarts.codes import meaning_of
from dashboard.modelarts.messages import ProblemText

from . import messages
from .detail_items import (
    DetailItem,
    Failure,
    Section,
    identity_items,
    joined,
    label_of,
    map_items,
    moment_item,
    not_empty,
    span_item,
    text_item,
    time_items,
    workspace_item,
    yes_no_item,
)
from .durations import exact_text
from .messages import message_of
from .models import Instance


def sections(instance: Instance, document: schemas.Instance) -> list[Section]:
    """Return the sections, also empty ones."""
    spec = document.spec or schemas.NotebookSpec()
    reserved_ms = spec.resource_reserved_timestamp
    reserved = moment_item(gettext("Reserved until"), reserved_ms)
    return [
        Section(gettext("Queue"), _queue(document)),
        Section(gettext("Hardware"), _hardware(instance, document)),
        Section(gettext("Storage"), _storage(spec)),
        Section(gettext("Software"), _software(document)),
        Section(gettext("Location"), _location(instance, document, spec)),
        Section(gettext("Repository"), _repository(document, spec)),
        Section(gettext("Identity"), identity_items(instance)),
        Section(gettext("Times"), time_items(instance, reserved)),
        Section(gettext("Annotations"), _annotations(spec)),
    ]


def failure(document: schemas.Instance) -> Failure | None:
    spec = document.spec or schemas.NotebookSpec()
    reasons = spec.failed_reasons or schemas.FailedReasons()
    code = reasons.code or document.error_code or ""
    details = map_items(reasons.detail)
    if not (code or reasons.message or details):
        return None
    meaning = meaning_of(400, code)
    sentence = (
        message_of(ProblemText(meaning.message)) if meaning else messages.FAILURE()
    )
    return Failure(sentence, code, reasons.message or "", details)


def _queue(document: schemas.Instance) -> list[DetailItem]:
    queue = document.queuing_info or schemas.QueuingInfo()
    return not_empty(
        text_item(gettext("Queue position"), queue.rank),
        text_item(gettext("Pending action"), label_of(_QUEUES, queue.status)),
        moment_item(gettext("Queued since"), queue.begin_timestamp),
        moment_item(gettext("Estimated start"), queue.end_timestamp),
        text_item(gettext("Flavor"), queue.flavor, code=True),
    )


_QUEUES = {
    "CREATE_QUEUING": _("Create"),
    "START_QUEUING": _("Start"),
}


def _hardware(instance: Instance, document: schemas.Instance) -> list[DetailItem]:
    flavor = document.flavor_details or schemas.FlavorDetails()
    params = flavor.params or {}
    return not_empty(
        text_item(gettext("Flavor"), instance.flavor, code=True, key="flavor"),
        text_item(gettext("Type"), instance.flavor_type),
        *(
            text_item(
                label_of(_PARAMS, name), _param_text(value), key=_KEYS.get(name, "")
            )
            for name, value in sorted(params.items(), key=_param_order)
        ),
        text_item(gettext("Availability"), label_of(_SALE, flavor.status)),
        text_item(gettext("Queue length"), flavor.queuing_num),
        span_item(gettext("Estimated wait"), flavor.queue_left_time),
        yes_no_item(gettext("Permitted for this account"), flavor.is_permitted),
        text_item(
            gettext("Discount"), label_of(_PROMOTIONS, flavor.promo_type, else_="")
        ),
        text_item(gettext("Billed as"), flavor.billing_flavor, code=True),
        text_item(gettext("Billing ratio"), flavor.billing_params),
        text_item(gettext("Instances of this flavor"), flavor.instance_num),
        span_item(gettext("Flavor time limit"), flavor.duration),
        text_item(gettext("Idle retention"), _store_time(flavor.store_time)),
        text_item(
            gettext("Supported storage"),
            gettext(", ").join(flavor.storage_list or []).upper(),
        ),
    )


_PARAMS = {
    "CPU": _("CPUs"),
    "GPU": _("GPUs"),
    "NPU": _("NPUs"),
    "gpu_type": _("GPU type"),
    "memory": _("Memory"),
    "graphics_memory": _("GPU memory"),
    "type": _("Architecture"),
}
# GPUs and NPUs come after the CPUs, and say more.
_KEYS = {
    **dict.fromkeys(("CPU", "GPU", "NPU"), "processors"),
    "memory": "memory",
}
_SALE = {"onsale": _("Available"), "soldout": _("Sold out")}
_PROMOTIONS = {"free": _("Free"), "nodiscount": _("None")}


def _param_order(item: tuple[str, Any]) -> tuple[int, str]:
    name, _ = item
    order = list(_PARAMS)
    return (order.index(name) if name in order else len(order), name)


def _param_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_param_text(member) for member in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_param_text(item)}" for key, item in value.items())
    # As ModelArts writes sizes: ``64GiB``.
    return "" if value is None else re.sub(r"^(\d+)GiB$", r"\1 GiB", str(value))


def _store_time(hours: int | None) -> str | None:
    if hours is None:
        return None
    return gettext("Indefinite") if hours == -1 else exact_text(hours * 3_600)


def _storage(spec: schemas.NotebookSpec) -> list[DetailItem]:
    items = _one_storage(spec.storage, "") if spec.storage else []
    for number, storage in enumerate(spec.extend_storage or [], start=1):
        name = gettext("Additional storage %(number)s") % {"number": number}
        items += _one_storage(storage, name + gettext(": "))
    return items


def _one_storage(storage: schemas.Storage, prefix: str) -> list[DetailItem]:
    location = storage.location or schemas.Location()
    size = location.volume_size
    size_text = None if size is None else f"{size} {location.volume_unit or 'GB'}"
    return not_empty(
        text_item(prefix + gettext("Type"), label_of(_STORAGE, storage.type)),
        text_item(prefix + gettext("Path"), location.path, code=True),
        text_item(prefix + gettext("Size"), size_text, key="" if prefix else "storage"),
    )


_STORAGE = {
    "obs": _("object storage (OBS)"),
    "evs": _("disk (EVS)"),
    "efs": _("file storage (EFS)"),
    "obsfs": _("parallel file system (OBSFS)"),
}


def _software(document: schemas.Instance) -> list[DetailItem]:
    profile = document.profile or schemas.Profile()
    provision = profile.provision or schemas.Provision()
    deployment = provision.spec or schemas.ProvisionSpec()
    image = deployment.params or schemas.ProvisionParams()
    same = profile.name in (None, profile.id)
    return not_empty(
        text_item(gettext("Work environment"), profile.name or profile.id, key="image"),
        text_item(gettext("Profile"), profile.description),
        text_item(gettext("Profile ID"), None if same else profile.id, code=True),
        text_item(gettext("Accelerator"), profile.flavor_type),
        text_item(gettext("Image"), _image_name(image), code=True),
        text_item(
            gettext("Runtime"),
            joined(", ", profile.de_type, provision.type, deployment.engine),
        ),
        *map_items(profile.labels, gettext("Label") + " "),
        *map_items(provision.annotations, gettext("Provisioning") + " "),
        *map_items(image.annotations, gettext("Image") + ": "),
    )


def _image_name(image: schemas.ProvisionParams) -> str:
    path = joined("/", image.namespace, image.image_name)
    return joined(":", path, image.image_tag)


def _location(
    instance: Instance, document: schemas.Instance, spec: schemas.NotebookSpec
) -> list[DetailItem]:
    pool = document.pool or schemas.Pool()
    owner = pool.owner or schemas.PoolOwner()
    ai_project = document.ai_project or schemas.AiProject()
    return not_empty(
        text_item(gettext("Cloud"), instance.cloud.name),
        workspace_item(instance),
        text_item(gettext("Resource pool"), pool.name or pool.id),
        text_item(gettext("Pool ID"), pool.id if pool.name else None, code=True),
        text_item(gettext("Pool type"), label_of(_POOLS, pool.type)),
        text_item(gettext("Project of the pool"), owner.project_id, code=True),
        text_item(gettext("AI project"), ai_project.id),
        text_item(gettext("Log path"), spec.log_path, code=True),
        text_item(gettext("Start-up script"), spec.custom_script_path, code=True),
    )


_POOLS = {"USER_DEFINED": _("dedicated")}


def _repository(
    document: schemas.Instance, spec: schemas.NotebookSpec
) -> list[DetailItem]:
    # Documented at the top (table 5), sampled inside spec (table 14).
    repository = document.repository or spec.repository or schemas.Repository()
    connection = repository.connection_info or schemas.ConnectionInfo()
    return not_empty(
        text_item(gettext("URL"), connection.url, code=True),
        text_item(gettext("Branch"), repository.branch, code=True),
        text_item(gettext("User"), repository.user_name),
        text_item(gettext("Stored in"), repository.type),
        text_item(gettext("Protocol"), connection.protocol),
        text_item(gettext("Repository ID"), repository.id, code=True),
    )


def _annotations(spec: schemas.NotebookSpec) -> list[DetailItem]:
    # ``url`` cannot be opened without a token, so it is never a link (table 14).
    return [*map_items(spec.annotations), *map_items(spec.extend_params)]
