"""Steps that the tests of handovers share."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.handover import report_data, services
from dashboard.handover.document import Document, Section
from dashboard.handover.models import Handover, Note
from dashboard.handover.services import SaveToken


def make_draft(actor: User, **fields: Any) -> Handover:
    """A draft of a shift that began eight hours ago."""
    fields.setdefault("since", timezone.now() - timedelta(hours=8))
    return services.draft(actor=actor, ahead_hours=8, **fields)


def publish(handover: Handover, actor: User) -> Handover:
    """Publish the current version."""
    handover.refresh_from_db()
    return services.publish(handover=handover, actor=actor, version=handover.version)


def write(
    note: Note, actor: User, text: str, save_token: SaveToken | None = None
) -> Note:
    return services.save_note(
        note=note,
        actor=actor,
        save_token=save_token or SaveToken(note.revision),
        text=text,
        owner="",
        next_action="",
    )


def draw(handover: Handover, user: User) -> Document:
    return report_data.build_document(handover, user=user, now=timezone.now())


def names(document: Document) -> dict[str, list[str]]:
    """Names in each section, in the order of its lines."""
    return {
        section.key: [
            name
            for item in section.items
            for name in (
                [named.name for named in item.names] if item.total else [item.name]
            )
        ]
        for section in document.sections
    }


def lines(sections: Iterable[Section]) -> list[str]:
    """The lines without their times."""
    return [
        str(re.sub(r"\w{3} (\d+ \w{3}, )?\d\d:\d\d UTC", "T", item.plain))
        for section in sections
        for item in section.items
    ]
