"""The sections of the page of an instance of the new API.

Each member is read by its name, so nothing reaches the page only because the document
contains it. Source: ``docs/modelarts-api.md``, B.3 to B.5.
"""

from django.utils.translation import gettext, gettext_lazy as _

from dashboard.modelarts.notebook_schemas import (
    CustomSpec,
    Image,
    Lease,
    Notebook,
    Pool,
    Step,
    Volume,
)
from dashboard.modelarts.statuses import InstanceStatus

from . import messages
from .detail_items import (
    DetailItem,
    Failure,
    Section,
    identity_items,
    joined,
    label_of,
    not_empty,
    span_item,
    text_item,
    time_items,
    workspace_item,
)
from .models import Instance

_BEFORE_A_RUN = frozenset(
    {
        InstanceStatus.INIT,
        InstanceStatus.CREATING,
        InstanceStatus.STARTING,
        InstanceStatus.CREATE_FAILED,
        InstanceStatus.START_FAILED,
    }
)
"""In these statuses the steps of a start are shown."""


def sections(instance: Instance, document: Notebook) -> list[Section]:
    """Return the sections, also empty ones."""
    return [
        Section(gettext("Progress"), _progress(instance, document)),
        Section(gettext("Lease"), _lease(instance, document)),
        Section(gettext("Hardware"), _hardware(instance, document)),
        Section(gettext("Image"), _image(document)),
        Section(gettext("Storage"), _storage(document)),
        Section(gettext("Access"), _access(document)),
        Section(gettext("Location"), _location(instance, document)),
        Section(gettext("Billing"), _billing(document)),
        Section(gettext("Tags"), _tags(instance)),
        Section(gettext("Identity"), identity_items(instance)),
        Section(gettext("Times"), time_items(instance)),
    ]


def failure(document: Notebook) -> Failure | None:
    failed = [
        text_item(_step_name(step), step.description or gettext("Failed"))
        for step in document.action_progress or []
        if (step.status or "").upper() == "FAILED"
    ]
    if not (document.fail_reason or failed):
        return None
    return Failure(messages.FAILURE(), "", document.fail_reason or "", failed)


def _progress(instance: Instance, document: Notebook) -> list[DetailItem]:
    if instance.status not in _BEFORE_A_RUN:
        return []
    steps = sorted(document.action_progress or [], key=lambda step: step.step or 0)
    return not_empty(
        *(
            text_item(_step_name(step), label_of(_STEP_STATUSES, step.status))
            for step in steps
        )
    )


def _step_name(step: Step) -> str:
    return label_of(_STEPS, str(step.step), else_=step.description or "")


_STEPS = {
    "1": _("Storage"),
    "2": _("Compute resources"),
    "3": _("Network"),
    "4": _("Initialization"),
}
_STEP_STATUSES = {
    "waiting": _("Waiting"),
    "processing": _("In progress"),
    "failed": _("Failed"),
    "completed": _("Done"),
}


def _lease(instance: Instance, document: Notebook) -> list[DetailItem]:
    # A stopped instance keeps its last lease, which says nothing about the next run.
    if instance.status != InstanceStatus.RUNNING:
        return []
    # The duration counts from the creation, so it means nothing to a reader.
    lease = document.lease or Lease()
    if not lease.enable:
        kind = None if lease.enable is None else gettext("No auto-stop")
        return not_empty(text_item(gettext("Type"), kind))
    return not_empty(
        text_item(gettext("Type"), label_of(_LEASES, instance.lease_type)),
        DetailItem(gettext("Ends"), at=instance.stops_at),
        span_item(gettext("Idle time"), instance.idle_seconds),
        DetailItem(gettext("Not before"), at=instance.idle_stop_at),
    )


_LEASES = {"timing": _("Fixed end"), "idle": _("Stops when idle")}


def _hardware(instance: Instance, document: Notebook) -> list[DetailItem]:
    spec = document.custom_spec or CustomSpec()
    memory = None if spec.memory is None else f"{spec.memory / 1_024:g} GiB"
    return not_empty(
        text_item(
            gettext("Flavor"),
            spec.resource_flavor or instance.flavor,
            code=True,
            key="flavor",
        ),
        text_item(gettext("Type"), instance.flavor_type),
        text_item(gettext("CPUs"), _number(spec.cpu), key="processors"),
        text_item(gettext("GPUs"), _number(spec.gpu), key="processors"),
        text_item(gettext("GPU type"), spec.gpu_type),
        text_item(gettext("Memory"), memory, key="memory"),
        text_item(gettext("Architecture"), spec.arch),
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _image(document: Notebook) -> list[DetailItem]:
    image = document.image or Image()
    return not_empty(
        text_item(gettext("Name"), image.show_name or image.name, key="image"),
        text_item(gettext("Version"), image.show_tag or image.tag, code=True),
        text_item(gettext("Description"), image.description),
        text_item(gettext("Type"), label_of(_IMAGES, image.type)),
        text_item(gettext("Architecture"), image.arch),
        text_item(gettext("Path"), image.swr_path, code=True),
        text_item(gettext("Image ID"), image.id, code=True),
        text_item(gettext("JupyterLab"), document.jupyter_version),
    )


_IMAGES = {"build_in": _("Built in"), "dedicated": _("Custom")}


def _storage(document: Notebook) -> list[DetailItem]:
    items = _volume(document.volume, "") if document.volume else []
    for number, volume in enumerate(document.data_volumes or [], start=1):
        name = gettext("Data volume %(number)s") % {"number": number}
        items += _volume(volume, name + gettext(": "))
    return items


def _volume(volume: Volume, prefix: str) -> list[DetailItem]:
    size_gb = volume.capacity
    return not_empty(
        text_item(prefix + gettext("Type"), label_of(_VOLUMES, volume.category)),
        text_item(prefix + gettext("Managed by"), label_of(_OWNERS, volume.ownership)),
        text_item(
            prefix + gettext("Size"),
            None if size_gb is None else f"{size_gb} GB",
            key="" if prefix else "storage",
        ),
        text_item(prefix + gettext("Mounted at"), volume.mount_path, code=True),
        text_item(prefix + gettext("Path"), volume.url, code=True),
        text_item(
            prefix + gettext("Status"), label_of(_VOLUME_STATUSES, volume.status)
        ),
    )


_VOLUMES = {
    "evs": _("disk (EVS)"),
    "efs": _("file storage (EFS)"),
    "sfs": _("file storage (SFS)"),
    "obs": _("object storage (OBS)"),
    "obsfs": _("parallel file system (OBSFS)"),
}
_OWNERS = {"managed": _("ModelArts"), "dedicated": _("the account")}
_VOLUME_STATUSES = {
    "initializing": _("Initializing"),
    "resizing": _("Resizing"),
    "deleting": _("Deleting"),
    "mounted": _("Mounted"),
}


def _access(document: Notebook) -> list[DetailItem]:
    endpoints = document.endpoints or []
    services = {
        endpoint.service: label_of(_SERVICES, endpoint.service)
        for endpoint in endpoints
    }
    keys = [key for endpoint in endpoints for key in endpoint.key_pair_names or []]
    return not_empty(
        text_item(gettext("Ways to connect"), joined(", ", *services.values())),
        text_item(gettext("SSH key pairs"), joined(", ", *keys)),
    )


_SERVICES = {"notebook": _("JupyterLab"), "ssh": _("SSH")}


def _location(instance: Instance, document: Notebook) -> list[DetailItem]:
    pool = document.pool or Pool()
    return not_empty(
        text_item(gettext("Cloud"), instance.cloud.name),
        workspace_item(instance),
        text_item(gettext("Resource pool"), pool.name or pool.id),
        text_item(gettext("Pool ID"), pool.id if pool.name else None, code=True),
    )


def _billing(document: Notebook) -> list[DetailItem]:
    items = document.billing_items or []
    return not_empty(
        text_item(gettext("Kind"), label_of(_FEATURES, document.feature)),
        text_item(
            gettext("Billed now"),
            joined(", ", *(label_of(_BILLED, item) for item in items)),
        ),
    )


_FEATURES = {"notebook": _("Notebook"), "default": _("Free notebook (CodeLab)")}
_BILLED = {
    "compute": _("Compute resources"),
    "storage": _("Storage"),
    "all": _("Compute resources and storage"),
}


def _tags(instance: Instance) -> list[DetailItem]:
    # Where tags can be changed, they are among the settings.
    if instance.cloud.has_tags:
        return []
    tags = sorted(instance.tags.items())
    return [text_item(key, value) for key, value in tags]
