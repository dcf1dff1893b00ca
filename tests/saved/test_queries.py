"""The list's query, spelled in one way, and in words."""

import pytest
from django.http import QueryDict

from dashboard.instances.filters import ListQuery
from dashboard.saved.queries import describe, normalized, read


@pytest.mark.parametrize(
    ("query", "spelled"),
    [
        ("", ""),
        ("sort=stops_in&per_page=25&page=3", ""),
        ("status=running", "status=RUNNING"),
        ("owner=li.wei&q=a+b", "q=a+b&owner=li.wei"),
        ("page=2&sort=-name", "sort=-name"),
        ("sort=upwards&flavor_type=gpu&colour=red", "flavor_type=GPU"),
        ("q=%26%3D%3F%23", "q=%26%3D%3F%23"),
        ("q=a%00b", ""),
    ],
)
def test_one_spelling(query: str, spelled: str) -> None:
    assert normalized(ListQuery(QueryDict(query))) == spelled
    assert normalized(read(spelled)) == spelled


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ["all instances"]),
        ("page=4", ["all instances"]),
        ("status=RUNNING&flavor_type=GPU", ["status: Running", "flavor: GPU"]),
        ("status=MISSING", ["status: Missing"]),
        ("autostop=due", ["auto-stop: stopping within 1 hour"]),
        (
            "q=x&cloud=lab&workspace=0&sort=-updated&per_page=100",
            [
                *("search: x", "cloud: lab", "workspace: 0"),
                *("sort: Recently updated", "rows: 100"),
            ],
        ),
    ],
)
def test_in_words(query: str, words: list[str]) -> None:
    assert describe(read(query)) == words
