"""Writes of saved views."""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.audit.services import record_event

from .models import FirstView, SavedView
from .permissions import can_change, can_share

MOST_VIEWS = 100
"""The most views that one person may save."""


class ViewError(Exception):
    """The view cannot be saved; the message says why."""


def save_view(*, actor: User, name: str, query: str, shared: bool) -> SavedView:
    """Save a view of the actor.

    Args:
        actor: The owner of the view.
        name: Cleaned by ``forms.ViewForm``.
        query: In the form of ``queries.canonical``.
        shared: Whether the team sees it.

    Raises:
        ViewError: The actor has too many views, or has just used the name.
        PermissionDenied: The actor may not share views.
    """
    if shared and not can_share(actor):
        raise PermissionDenied
    if SavedView.objects.filter(owner=actor).count() >= MOST_VIEWS:
        raise ViewError(
            gettext(
                "You have reached the limit of %(most_views)s views. Delete one first."
            )
            % {"most_views": MOST_VIEWS}
        )
    view = SavedView(owner=actor, name=name, query=query, shared=shared)
    with transaction.atomic():
        _save(view)
        _record(actor, "view.saved", view, after=_values(view))
    return view


def change_view(*, view: SavedView, actor: User, name: str, shared: bool) -> SavedView:
    """Rename a view, share it or stop sharing it.

    Raises:
        ViewError: The owner has just used the name for another view.
        PermissionDenied: The actor may not change the view, or not share it.
    """
    if not can_change(actor, view) or (shared and not can_share(actor)):
        raise PermissionDenied
    before = _values(view)
    view.name, view.shared = name, shared
    after = _values(view)
    if after == before:
        return view
    with transaction.atomic():
        _save(view)
        if before["shared"] and not shared:
            # It must not open first for people who cannot see it.
            view.firsts.exclude(user=view.owner).delete()
        _record(actor, "view.changed", view, before=before, after=after)
    return view


def delete_view(*, view: SavedView, actor: User) -> None:
    """Delete a view, also as the default of anyone.

    Raises:
        PermissionDenied: The actor may not delete the view.
    """
    if not can_change(actor, view):
        raise PermissionDenied
    with transaction.atomic():
        _record(actor, "view.deleted", view, before=_values(view))
        view.delete()


def set_default_view(*, actor: User, view: SavedView | None) -> None:
    """Choose the view that opens first for the actor; None for none."""
    with transaction.atomic():
        former = FirstView.objects.filter(user=actor).select_related("view").first()
        if view is None and former is not None:
            former.delete()
            _record(actor, "view.not_first", former.view)
        elif view is not None and (former is None or former.view_id != view.pk):
            FirstView.objects.update_or_create(user=actor, defaults={"view": view})
            _record(actor, "view.first", view)


def _save(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise ViewError(gettext("A view with this name already exists.")) from error


def _values(view: SavedView) -> dict[str, object]:
    return {"name": view.name, "query": view.query, "shared": view.shared}


def _record(
    actor: User,
    action: str,
    view: SavedView,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="view",
        target_id=str(view.pk),
        target_label=view.name,
        before=before,
        after=after,
    )
