"""The sections of an instance's page that come from the document of the cloud."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from dashboard.modelarts import notebook_schemas, schemas
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.results import WireInstance

from . import demanager_sections, notebook_sections
from .detail_items import MAIN, DetailItem, Failure, Section
from .models import Instance

_LABELS = {"image": _("Image"), "storage": _("Storage")}
_MODELS: dict[Generation, type[WireInstance]] = {
    Generation.DEMANAGER: schemas.Instance,
    Generation.NOTEBOOKS: notebook_schemas.Notebook,
}
_SECTIONS: dict[Generation, Callable[[Instance, Any], list[Section]]] = {
    Generation.DEMANAGER: demanager_sections.sections,
    Generation.NOTEBOOKS: notebook_sections.sections,
}
_FAILURES: dict[Generation, Callable[[Any], Failure | None]] = {
    Generation.DEMANAGER: demanager_sections.failure,
    Generation.NOTEBOOKS: notebook_sections.failure,
}


class Details(NamedTuple):
    """What the document says, without auto-stop and the settings.

    Attributes:
        main: The items of ``MAIN`` that are known, each with a label that says what it
            is without the title of its section.
        others: The rest, in sections that are not empty.
    """

    main: list[DetailItem]
    others: list[Section]


def sections(instance: Instance) -> list[Section]:
    """Return the sections that are not empty; countdown and settings are elsewhere."""
    sections = _SECTIONS[Generation(instance.generation)]
    all_sections = sections(instance, stored_document(instance))
    return [section for section in all_sections if section.items]


def details(instance: Instance) -> Details:
    """Split the sections into what people look for first and the rest."""
    all_sections = sections(instance)
    by_key = {
        item.key: item for section in all_sections for item in section.items if item.key
    }
    main = [by_key[key] for key in MAIN if key in by_key]
    others = (
        Section(section.title, [item for item in section.items if item not in main])
        for section in all_sections
    )
    return Details(
        [replace(item, label=str(_LABELS.get(item.key, item.label))) for item in main],
        [section for section in others if section.items],
    )


def failure(instance: Instance) -> Failure | None:
    failure = _FAILURES[Generation(instance.generation)]
    return failure(stored_document(instance))


def stored_document(instance: Instance) -> WireInstance:
    """Return the document as last stored; its id may be one that we do not accept."""
    model = _MODELS[Generation(instance.generation)]
    document = model.model_validate({**instance.document, "id": "-"})
    return document.model_copy(update={"id": instance.instance_id})
