"""What docs/contract.md promises is what the code has."""

import re

import pytest
from django.urls import resolve

from dashboard.accounts.models import User
from dashboard.edits.forms import EditForm, NotebookForm
from dashboard.edits.models import Edit
from dashboard.instances.filters import InstanceFilter, ListForm

from .guards import ROOT

CONTRACT = (ROOT / "docs" / "contract.md").read_text()


def section(title: str) -> str:
    _, _, text = CONTRACT.partition(f"\n## {title}\n")
    return text.partition("\n## ")[0]


def row(title: str, first: str) -> str:
    (line,) = [line for line in section(title).splitlines() if f"| `{first}`" in line]
    return line


def urls() -> list[str]:
    cells = [line.split("|")[1] for line in section("URLs").splitlines() if "|" in line]
    return [url for cell in cells for url in re.findall(r"`(/[^`]*)`", cell)]


@pytest.mark.parametrize("url", urls())
def test_a_url_leads_to_a_view(url: str) -> None:
    for placeholder, value in {
        "<uuid>": "00000000-0000-4000-8000-000000000000",
        "<cloud>": "demo",
        "<instance_id>": "DE-1",
        "<id>": "1",
        "<note_id>": "1",
        "<token>": "a-token",
    }.items():
        url = url.replace(placeholder, value)
    path = "/api/v1/me" if url == "/api/v1/" else url
    assert resolve(path)


def test_the_list_takes_these_parameters() -> None:
    _, _, query = row("URLs", "/instances/").partition("Query: ")
    named = set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", query)))
    assert named == {*InstanceFilter.base_filters, "sort", "page", "per_page"}
    assert set(ListForm.SORTS) <= set(re.findall(r"\w+", query))
    assert f"({', '.join(map(str, ListForm.PER_PAGE))})" in query
    choices = InstanceFilter.base_filters["autostop"].extra["choices"]
    assert ", ".join(f"`{key}`" for key, _ in choices) in query


def test_the_form_has_these_fields() -> None:
    _, _, fields = row("URLs", "/instances/<cloud>/<instance_id>/edit/").partition(
        "Fields: "
    )
    named = set(re.findall(r"`([a-z_]+)`", fields))
    fields_of_forms = {*EditForm.base_fields, *NotebookForm.base_fields}
    assert named - {"seen", "tag_key", "tag_value"} == (
        fields_of_forms - {"prompt_shown", "tags"}
    )


def test_roles_and_states_are_those_of_the_code() -> None:
    named = re.findall(r"^\| `(\w+)` \|", section("Roles"), re.M)
    assert named == User.Role.values
    (drawing,) = re.findall(r"```\n(.+?)```", section("States of a change"), re.S)
    assert set(re.findall(r"\w+", drawing)) == set(Edit.State.values)
