"""The form of a notebook's settings."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from tests.factories import make_cloud, make_instance, make_notebook

from .conftest import HTMX, form_url, hidden

TAGS = {"team": "nlp", "cost": "4711"}


@pytest.fixture
def notebook(db: None) -> Instance:
    return make_notebook(name="lab", cloud=make_cloud(has_tags=True), tags=TAGS)


def typed(html: str, **changes: Any) -> dict[str, Any]:
    """What a browser posts from the form, changed."""
    fields: dict[str, Any] = {
        "seen": unescape(hidden(html, "seen")),
        "name": "lab",
        "description": "Churn model, second try",
        "tag_key": ["cost", "team", ""],
        "tag_value": ["4711", "nlp", ""],
    }
    return fields | changes


def test_it_has_what_can_be_changed_and_says_what_cannot(
    as_operator: Client, notebook: Instance
) -> None:
    html = as_operator.get(form_url(notebook)).text
    assert 'name="name"' in html
    pairs = re.findall(r'name="tag_\w+"[^>]*?value="([^"]*)"', html)
    assert pairs == ["cost", "4711", "team", "nlp", "", ""]
    assert "auto_stop" not in html
    assert "You can move the end of this run while it runs." in html
    assert f'href="{notebook.get_absolute_url()}extend/"' in html
    assert "sends them once it has stopped" in html


def test_a_cloud_without_tags_and_an_instance_that_is_stopped(
    as_operator: Client,
) -> None:
    html = as_operator.get(form_url(make_notebook(status="STOPPED"))).text
    assert "tag_key" not in html
    assert "/extend/" not in html
    assert "You can move the end of this run" not in html
    assert "sends them once it has stopped" not in html


def test_the_old_api_says_what_a_change_means(as_operator: Client) -> None:
    html = as_operator.get(form_url(make_instance())).text
    assert "the old API cannot move the end of this run" in html
    assert "tag_key" not in html
    assert 'name="name"' not in html


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"name": "lab-2"}, {"name": "lab-2"}),
        ({"description": ""}, {"description": ""}),
        ({"tag_value": ["4712", "nlp", ""]}, {"tags": {"cost": "4712", "team": "nlp"}}),
        (
            {"tag_key": ["", "team"], "tag_value": ["", "nlp"]},
            {"tags": {"team": "nlp"}},
        ),
        ({"tag_key": [""], "tag_value": [""]}, {"tags": {}}),
        (
            {"tag_key": ["cost", "team", " gpu "], "tag_value": ["4711", "nlp", ""]},
            {"tags": TAGS | {"gpu": ""}},
        ),
    ],
)
def test_only_what_changes_is_requested(
    as_operator: Client,
    notebook: Instance,
    changes: dict[str, Any],
    patch: dict[str, Any],
) -> None:
    html = as_operator.get(form_url(notebook)).text
    answer = as_operator.post(form_url(notebook), typed(html, **changes))
    assert answer.status_code == 303
    assert Edit.objects.get().patch == patch


def test_nothing_changes_if_nothing_was_typed(
    as_operator: Client, notebook: Instance
) -> None:
    html = as_operator.get(form_url(notebook)).text
    as_operator.post(form_url(notebook), typed(html))
    # A script may post one field alone.
    as_operator.post(form_url(notebook), {"description": notebook.description})
    assert not Edit.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "A notebook needs a name."),
        ({"name": "größer"}, "A name can contain only the letters A to Z"),
        ({"name": "x" * 129}, "at most 128 are allowed"),
        ({"description": "it's"}, "cannot contain"),
        ({"tag_key": ["a", "a"], "tag_value": ["1", "2"]}, "can occur only once"),
        ({"tag_key": ["a&b"], "tag_value": [""]}, "The key of a tag can contain only"),
        ({"tag_key": [""], "tag_value": ["1"]}, "A tag needs a key"),
    ],
)
def test_what_modelarts_would_refuse_is_said_and_kept(
    as_operator: Client, notebook: Instance, changes: dict[str, Any], words: str
) -> None:
    html = as_operator.get(form_url(notebook)).text
    answer = as_operator.post(form_url(notebook), typed(html, **changes), headers=HTMX)
    assert answer.status_code == 422
    assert words in unescape(answer.text)
    for texts in changes.values():
        for text in [texts] if isinstance(texts, str) else texts:
            assert text in unescape(answer.text)
    assert not Edit.objects.exists()


def test_a_name_and_tags_that_changed_meanwhile_are_a_choice(
    as_operator: Client, notebook: Instance
) -> None:
    html = as_operator.get(form_url(notebook)).text
    Instance.objects.update(name="theirs", tags={"team": "vision"})
    changes = {"name": "mine", "tag_key": ["team"], "tag_value": ["speech"]}
    answer = as_operator.post(form_url(notebook), typed(html, **changes))
    assert answer.status_code == 422
    page = answer.text
    assert "another change came first" in page
    assert "team=vision" in page
    assert "team=speech" in page
    again = typed(page, **changes, choice_name="theirs", choice_tags="mine")
    assert as_operator.post(form_url(notebook), again).status_code == 303
    assert Edit.objects.get().patch == {"tags": {"team": "speech"}}
