"""The lines of an instance's page that come from the document of the cloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext

from dashboard.web.stored_messages import Message

from .durations import exact_text
from .mapping import moment
from .models import Instance

MAIN = (
    "flavor",
    "processors",
    "memory",
    "image",
    "storage",
    "workspace",
    "created",
    "id",
)
"""What people look for first, in the order in which the page shows it."""


@dataclass(frozen=True)
class DetailItem:
    """One line: a label and either a text or a moment.

    Attributes:
        code: Whether the text is a technical name, in a monospaced font.
        key: Of ``MAIN``, for one that the page shows unfolded.
    """

    label: str
    text: str = ""
    at: datetime | None = None
    code: bool = False
    key: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    items: list[DetailItem]


@dataclass(frozen=True)
class Failure:
    """Why the cloud reports a failure.

    Attributes:
        sentence: Our text for the code.
        message: The cloud's own text.
        details: Further members, by the cloud's names.
    """

    sentence: Message
    code: str
    message: str
    details: list[DetailItem]


def identity_items(instance: Instance) -> list[DetailItem]:
    received_id = instance.document.get("received_id")
    return not_empty(
        text_item(gettext("Instance ID"), instance.instance_id, code=True, key="id"),
        text_item(gettext("ID as received"), received_id, code=True),
        text_item(gettext("Owner"), instance.owner_name),
        text_item(gettext("Owner ID"), instance.owner_id, code=True),
    )


def time_items(instance: Instance, *more: DetailItem) -> list[DetailItem]:
    """Return the moments of the mirror, with further ones of the cloud."""
    return not_empty(
        DetailItem(gettext("Created"), at=instance.created_at, key="created"),
        DetailItem(gettext("Last updated"), at=instance.updated_at),
        DetailItem(gettext("Started"), at=instance.run_started_at),
        *more,
        DetailItem(gettext("Discovered"), at=instance.first_seen_at),
        DetailItem(gettext("Missing since"), at=instance.missing_since),
    )


def workspace_item(instance: Instance) -> DetailItem:
    workspace = instance.workspace_id
    name = gettext("default (0)") if workspace == "0" else workspace
    return text_item(gettext("Workspace"), name, key="workspace")


def label_of(
    labels: Mapping[str, Promise], name: str | None, *, else_: str | None = None
) -> str:
    """Return the label of one of the cloud's names; an unknown name as it is."""
    label = labels.get(name or "") or labels.get((name or "").lower())
    if label:
        return str(label)
    return (name or "") if else_ is None else else_


def map_items(members: dict[str, str] | None, prefix: str = "") -> list[DetailItem]:
    items = (members or {}).items()
    return not_empty(
        *(text_item(prefix + key, value, code=True) for key, value in items)
    )


def text_item(
    label: str, value: str | int | None, *, code: bool = False, key: str = ""
) -> DetailItem:
    return DetailItem(label, "" if value is None else str(value), code=code, key=key)


def span_item(label: str, seconds: int | None) -> DetailItem:
    if seconds is None:
        return DetailItem(label)
    return DetailItem(label, exact_text(seconds) if seconds >= 0 else f"{seconds} s")


def yes_no_item(label: str, value: bool | None) -> DetailItem:
    return DetailItem(
        label, {None: "", True: gettext("Yes"), False: gettext("No")}[value]
    )


def moment_item(label: str, ms: int | None) -> DetailItem:
    return DetailItem(label, at=moment(ms))


def joined(separator: str, *parts: str | None) -> str:
    return separator.join(part for part in parts if part)


def not_empty(*items: DetailItem) -> list[DetailItem]:
    return [item for item in items if item.text or item.at]
