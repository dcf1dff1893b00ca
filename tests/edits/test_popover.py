"""The forms that open beside a row, and leave the page where it is."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import dispatch
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from tests.factories import make_instance, make_notebook

from .conftest import HTMX, hidden

POPOVER = HTMX | {"HX-Target": "popover"}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", lambda *args, **options: None)


def address(kind: str, instance: Instance) -> str:
    return reverse(f"edits:{kind}", args=[instance.cloud.name, instance.instance_id])


def accepted(answer: Any) -> dict[str, str]:
    """The event reaches the page; nothing is swapped or left behind."""
    assert (answer.status_code, answer["HX-Reswap"]) == (202, "none")
    assert answer.content == b""
    told: dict[str, str] = json.loads(answer["HX-Trigger"])["curfew:accepted"]
    return told


@pytest.mark.parametrize(
    ("posted", "patch"),
    [
        ({"auto_stop_hours": "4.5"}, {"auto_stop_duration": 16_200}),
        ({"auto_stop_hours": "1", "preset": "8"}, {"auto_stop_duration": 28_800}),
        ({"auto_stop_hours": "1", "preset": "off"}, {"auto_stop_enable": False}),
    ],
)
def test_a_press_of_a_button_saves_auto_stop_and_nothing_else(
    as_operator: Client, posted: dict[str, str], patch: dict[str, Any]
) -> None:
    instance = make_instance(auto_stop_enable=True, auto_stop_duration=3_600)
    url = address("edit", instance)
    html = as_operator.get(url, headers=POPOVER).content.decode()
    assert 'id="popover-title"' in html
    assert 'name="description"' not in html
    form = {"seen": hidden(html, "seen"), "auto_stop_enable": "on"}
    told = accepted(as_operator.post(url, form | posted, headers=POPOVER))
    edit = Edit.objects.get()
    assert (edit.patch, told["edit"]) == (patch, str(edit.pk))
    # No banner waits for the next page.
    assert "submitted-" not in as_operator.get("/instances/").content.decode()


def test_a_refusal_and_a_newer_value_are_told_in_the_popover(
    as_operator: Client, operator: User
) -> None:
    instance = make_instance(auto_stop_enable=True, auto_stop_duration=3_600)
    url = address("edit", instance)
    html = as_operator.get(url, headers=POPOVER).content.decode()
    form = {"seen": hidden(html, "seen"), "auto_stop_enable": "on"}
    wrong = as_operator.post(url, form | {"auto_stop_hours": "99"}, headers=POPOVER)
    assert wrong.status_code == 422
    assert "too long" in wrong.content.decode()
    same = as_operator.post(url, form | {"auto_stop_hours": "1"}, headers=POPOVER)
    assert accepted(same) == {
        "text": "No changes to save.",
        "edit": "",
        "batch": "",
    }
    Instance.objects.filter(pk=instance.pk).update(auto_stop_duration=7_200)
    late = as_operator.post(url, form | {"preset": "4"}, headers=POPOVER)
    html = late.content.decode()
    assert late.status_code == 422
    assert "is now 2 h" in html
    again = {"seen": hidden(html, "seen"), "auto_stop_enable": "on", "preset": "4"}
    accepted(as_operator.post(url, again, headers=POPOVER))
    assert Edit.objects.get().patch == {"auto_stop_duration": 14_400}


def test_a_run_is_stopped_or_extended_from_the_popover(as_operator: Client) -> None:
    instance, notebook = make_instance(), make_notebook()
    url = address("stop", instance)
    html = as_operator.get(url, headers=POPOVER).content.decode()
    assert 'hx-target="#popover"' in html
    accepted(as_operator.post(url, {"key": hidden(html, "key")}, headers=POPOVER))
    url = address("extend", notebook)
    html = as_operator.get(url, headers=POPOVER).content.decode()
    until = html.partition('name="until" value="')[2].partition('"')[0]
    form = {"seen": hidden(html, "seen"), "until": until}
    accepted(as_operator.post(url, form, headers=POPOVER))
    kinds = Edit.objects.order_by("created_at").values_list("kind", flat=True)
    assert list(kinds) == [Edit.Kind.STOP, Edit.Kind.EXTEND]


def test_a_failed_change_is_retried_where_it_stands(
    as_operator: Client, edit: Edit
) -> None:
    url = reverse("edits:retry", args=[edit.pk])
    refused = as_operator.post(url, headers=POPOVER)
    assert refused.status_code == 409
    assert 'role="alert"' in refused.content.decode()
    Edit.objects.filter(pk=edit.pk).update(state=Edit.State.FAILED)
    told = accepted(as_operator.post(url, headers=POPOVER))
    assert told["edit"] == str(Edit.objects.get(retry_of=edit).pk)


def test_the_menu_offers_what_a_person_may_do_now(
    as_operator: Client, viewer: User
) -> None:
    running, stopped = make_instance(), make_instance(status="STOPPED")

    def menu(instance: Instance) -> str:
        url = reverse(
            "instances:menu", args=[instance.cloud.name, instance.instance_id]
        )
        return as_operator.get(url, headers=POPOVER).content.decode()

    assert address("stop", running) in menu(running)
    assert address("start", running) not in menu(running)
    assert address("start", stopped) in menu(stopped)
    assert f'data-copy="{running.instance_id}"' in menu(running)
    as_operator.force_login(viewer)
    assert "/stop/" not in menu(running)
    assert "/edit/" not in menu(running)


def test_a_change_is_undone_where_it_stands(as_operator: Client, edit: Edit) -> None:
    url = reverse("edits:undo", args=[edit.pk])
    refused = as_operator.post(url, headers=POPOVER)
    assert refused.status_code == 409
    Instance.objects.update(description=edit.patch["description"])
    Edit.objects.update(state=Edit.State.APPLIED, finished_at=timezone.now())
    assert f'data-post="{url}"' in as_operator.get("/instances/").content.decode()
    told = accepted(as_operator.post(url, headers=POPOVER))
    assert told["edit"] == str(Edit.objects.get(undo_of=edit).pk)


def test_selected_instances_get_their_hours_after_a_preview(
    as_operator: Client,
) -> None:
    on = {"auto_stop_enable": True, "auto_stop_duration": 3_600}
    pks = [make_instance(**on).pk for _ in range(3)]
    form = {"pick": [*pks, make_notebook().pk], "action": "hours"}
    form["auto_stop_hours"] = "4"
    preview = as_operator.post(reverse("edits:bulk"), form, headers=POPOVER)
    html = preview.content.decode()
    assert "<strong>3</strong> will change" in html
    assert "<strong>1</strong> skipped" in html
    batch = EditBatch.objects.get()
    url = reverse("edits:bulk_confirm", args=[batch.pk])
    posted = {"preview": hidden(html, "preview")}
    told = accepted(as_operator.post(url, posted, headers=POPOVER))
    assert told["batch"] == str(batch.pk)
    assert Edit.objects.filter(batch=batch).count() == 3
    # A large one goes on to its page, which asks for the number.
    form["pick"] = [make_instance(**on).pk for _ in range(26)]
    large = as_operator.post(reverse("edits:bulk"), form, headers=POPOVER)
    assert large["HX-Redirect"].startswith("/bulk/")
    nothing = as_operator.post(reverse("edits:bulk"), {}, headers=POPOVER)
    assert nothing.status_code == 422
