"""A change is applied between the statements that read an instance and its edits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances import listing
from dashboard.instances.activity import activity
from dashboard.instances.models import FleetVersion, Instance
from tests.factories import make_instance

from .pages import add_edit

FOUR_HOURS = 4 * 3_600


@pytest.fixture
def edit(instance: Instance, operator: User) -> Edit:
    """Under way, for a run that goes on."""
    return add_edit(
        instance,
        operator,
        patch={"auto_stop_duration": FOUR_HOURS},
        state=Edit.State.SENDING,
    )


@contextmanager
def applied_before_edits_are_read(edit: Edit) -> Iterator[list[str]]:
    """Record the result of an edit just before a statement that reads edits.

    Yields:
        The result once it was recorded.
    """
    recorded: list[str] = []

    def execute(run: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('SELECT "edits_edit"') and not recorded:
            recorded.append(edit.pk.hex)
            Edit.objects.filter(pk=edit.pk).update(
                state=Edit.State.APPLIED,
                finished_at=timezone.now(),
                applied_while_running=True,
            )
            changed = Instance.objects.filter(pk=edit.instance_id)
            changed.update(auto_stop_duration=FOUR_HOURS)
            FleetVersion.stamp(changed)
        return run(sql, *args)

    with connection.execute_wrapper(execute):
        yield recorded


@pytest.mark.parametrize("path", ["list", "home", "detail"])
def test_no_page_says_that_it_was_replaced(
    client: Client, scientist: User, edit: Edit, path: str
) -> None:
    client.force_login(scientist)
    urls = {
        "list": reverse("instances:list"),
        "home": reverse("home"),
        "detail": edit.instance.get_absolute_url(),
    }
    with applied_before_edits_are_read(edit) as recorded:
        page = client.get(urls[path]).text
    assert recorded
    assert "Replaced" not in page
    assert "Applied" in page or "next start" in page


def test_rows_are_of_one_moment(edit: Edit, operator: User) -> None:
    others = [make_instance(name=f"other {number}") for number in range(2)]
    refs = listing.row_refs_of(
        [edit.instance_id, *(other.pk for other in others)], user=operator
    )
    with applied_before_edits_are_read(edit) as recorded:
        rows = listing.rows_at(refs, user=operator, now=timezone.now())
    assert recorded
    # What is cached is no older than its version.
    again = listing.rows_at(
        listing.row_refs_of([edit.instance_id], user=operator),
        user=operator,
        now=timezone.now(),
    )
    for row in (rows[0], again[0]):
        assert row.instance.auto_stop_duration == FOUR_HOURS
        assert row.edit
        assert row.edit.state == Edit.State.APPLIED
        assert row.edit.waits_for_next_start


def test_the_activity_is_of_one_moment(edit: Edit) -> None:
    instance = Instance.objects.get(pk=edit.instance_id)
    with applied_before_edits_are_read(edit) as recorded:
        shown = activity(instance)
    assert recorded
    assert instance.auto_stop_duration == FOUR_HOURS
    assert shown.edits[0].waits_for_next_start


def test_an_instance_that_keeps_changing_is_shown_all_the_same(
    edit: Edit, operator: User
) -> None:
    refs = listing.row_refs_of([edit.instance_id], user=operator)

    def change(run: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('SELECT "edits_edit"'):
            FleetVersion.stamp(Instance.objects.filter(pk=edit.instance_id))
        return run(sql, *args)

    with connection.execute_wrapper(change):
        (row,) = listing.rows_at(refs, user=operator, now=timezone.now())
    assert row.edit
    assert row.edit.pk == edit.pk
