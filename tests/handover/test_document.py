"""How a published document is stored, checked and read again."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.handover.document import digest, from_json, to_json
from dashboard.handover.models import Handover
from dashboard.instances.countdown import status_message
from dashboard.instances.models import Instance
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .handovers import draw, publish


def test_a_document_survives_the_conversion_to_json(
    draft: Handover, operator: User
) -> None:
    make_instance(stops_in=600)
    draft.summary = "Quiet."
    document = draw(draft, operator)
    assert from_json(to_json(document)) == document


def test_a_published_handover_is_read_in_each_language_under_one_digest(
    draft: Handover, operator: User, instance: Instance
) -> None:
    add_edit(instance, operator, state="queued", patch={"auto_stop_enable": False})
    make_instance(name="odd", status="START_FAILED", problems=["spec"])
    with translation.override("de"):
        handover = publish(draft, operator)
    stored = Handover.objects.get(pk=handover.pk)
    assert stored.document is not None
    assert digest(stored.document) == stored.digest
    document = from_json(stored.document)
    items = {section.key: section.items for section in document.sections}
    [edit], [odd] = items["edits"], items["troubled"]
    assert edit.text == "Auto-stop off · Queued"
    assert odd.plain.startswith("Failed before ")
    with translation.override("de"):
        assert edit.text == "Auto-Stopp aus · Wartet"
        assert odd.plain.startswith("Fehlgeschlagen vor ")
        assert str(document.sections[1].title.text) == "Fällige Stopps"


LINE = {"name": "odd", "cloud": "demo", "instance_id": "DE-1", "edit_id": ""}
LINE |= {"who": "anna", "at": "2026-11-29T08:00:00+00:00"}
FORMATS = {
    1: {"words": "Start failed", "at_words": "since"},
    2: {
        "change": {},
        "status": status_message("START_FAILED").to_json(),
        "message": {},
        "at_label": {"code": "handover.since", "params": {}},
    },
}


@pytest.mark.parametrize("number", FORMATS)
def test_a_handover_of_an_old_format_is_shown_as_it_was_published(
    client: Client, draft: Handover, operator: User, number: int
) -> None:
    stored: dict[str, Any] = to_json(draw(draft, operator)) | {"format": number}
    note = {"text": "Disk", "owner": "ada", "next_action": "", "by": "ada"}
    stored |= {
        "notes": [note],
        "sections": [
            {"key": "troubled", "total": 4, "lines": [LINE | FORMATS[number]]}
        ],
    }
    del stored["scope"]
    draft.number, draft.document, draft.digest = 1, stored, digest(stored)
    draft.published_at, draft.published_by = timezone.now(), operator
    draft.save()
    client.force_login(operator)
    page = client.get(draft.get_absolute_url()).text
    for text in ("Start failed", "/instances/demo/DE-1/", "and 3 more", "Disk", "ada"):
        assert text in page
    assert "Integrity check failed" not in page
    assert "Mark as done" not in page
    if number == 1:
        with translation.override("de"):
            [troubled] = from_json(stored).sections
            assert troubled.items[0].plain.startswith("odd (anna): Start failed, since")
