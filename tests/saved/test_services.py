"""Saving, changing and deleting views."""

from unittest.mock import patch

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.saved import services
from dashboard.saved.models import DefaultView, SavedView
from dashboard.saved.selectors import default_view
from dashboard.saved.services import ViewError


def make_view(owner: User, name: str = "GPUs", **fields: object) -> SavedView:
    values = {"query": "flavor_type=GPU", "shared": False} | fields
    return SavedView.objects.create(owner=owner, name=name, **values)


def actions() -> list[str]:
    events = AuditEvent.objects.filter(target_kind="view").order_by("pk")
    return list(events.values_list("action", flat=True))


def test_saving_is_recorded(operator: User) -> None:
    view = services.save_view(actor=operator, name="A", query="q=x", shared=True)
    event = AuditEvent.objects.get(action="view.saved")
    assert event.actor_id == operator.pk
    assert event.target_id == str(view.pk)
    assert event.after == {"name": "A", "query": "q=x", "shared": True}


def test_a_viewer_shares_nothing(viewer: User) -> None:
    with pytest.raises(PermissionDenied):
        services.save_view(actor=viewer, name="A", query="q=x", shared=True)
    view = services.save_view(actor=viewer, name="A", query="q=x", shared=False)
    with pytest.raises(PermissionDenied):
        services.change_view(view=view, actor=viewer, name="A", shared=True)
    assert actions() == ["view.saved"]


def test_a_person_has_so_many_and_no_more(operator: User) -> None:
    with patch.object(services, "MAX_VIEWS", 2):
        for name in ("A", "B"):
            services.save_view(actor=operator, name=name, query="", shared=False)
        with pytest.raises(ViewError, match="Delete one"):
            services.save_view(actor=operator, name="C", query="", shared=False)


def test_a_name_taken_meanwhile_is_reported(operator: User, admin: User) -> None:
    make_view(operator, "gpus")
    with pytest.raises(ViewError, match="already"):
        services.save_view(actor=operator, name="GPUs", query="", shared=False)
    other = make_view(operator, "Other")
    with pytest.raises(ViewError, match="already"):
        services.change_view(view=other, actor=operator, name="GPUS", shared=False)
    # Somebody else's views have names of their own.
    services.save_view(actor=admin, name="GPUs", query="", shared=False)


@pytest.mark.parametrize("shared", [True, False])
def test_who_may_change_and_delete(
    operator: User, scientist: User, admin: User, shared: bool
) -> None:
    view = make_view(operator, shared=shared)
    strangers = [scientist] if shared else [scientist, admin]
    for person in strangers:
        with pytest.raises(PermissionDenied):
            services.change_view(view=view, actor=person, name="Mine", shared=shared)
        with pytest.raises(PermissionDenied):
            services.delete_view(view=view, actor=person)
    for person in {operator, admin}.difference(strangers):
        name = f"By {person.username}"
        services.change_view(view=view, actor=person, name=name, shared=shared)
    assert actions() == ["view.changed"] * (2 if shared else 1)
    services.delete_view(view=view, actor=admin if shared else operator)
    assert not SavedView.objects.exists()
    assert actions()[-1] == "view.deleted"


def test_what_does_not_change_is_not_recorded(operator: User) -> None:
    view = make_view(operator)
    services.change_view(view=view, actor=operator, name=view.name, shared=False)
    assert actions() == []


def test_what_opens_first(operator: User, scientist: User) -> None:
    first, second = make_view(operator, "one"), make_view(operator, "two", shared=True)
    assert default_view(operator) is None
    for view in (first, first, second):
        services.set_default_view(actor=operator, view=view)
    services.set_default_view(actor=scientist, view=second)
    assert default_view(operator) == default_view(scientist) == second
    services.set_default_view(actor=operator, view=None)
    services.set_default_view(actor=operator, view=None)
    assert default_view(operator) is None
    assert actions() == ["view.first"] * 3 + ["view.not_first"]


def test_a_view_no_longer_shared_opens_for_its_owner_only(
    operator: User, scientist: User
) -> None:
    view = make_view(operator, shared=True)
    for person in (operator, scientist):
        services.set_default_view(actor=person, view=view)
    services.change_view(view=view, actor=operator, name=view.name, shared=False)
    assert DefaultView.objects.get().user == operator


def test_a_first_view_that_cannot_be_seen_does_not_count(
    operator: User, scientist: User
) -> None:
    view = make_view(operator)
    DefaultView.objects.create(user=scientist, view=view)
    assert default_view(scientist) is None


def test_deleting_leaves_the_usual_first(operator: User) -> None:
    view = make_view(operator)
    services.set_default_view(actor=operator, view=view)
    services.delete_view(view=view, actor=operator)
    assert default_view(operator) is None
