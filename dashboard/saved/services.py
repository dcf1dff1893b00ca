"""Saving, changing and deleting views: the only writers."""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.audit.services import record_event

from .models import FirstView, SavedView
from .permissions import can_change, can_share

MOST_VIEWS = 100
"""Of one person."""


class ViewError(Exception):
    """A view cannot be saved like this; says why, for people."""


def save_view(*, owner: User, name: str, query: str, shared: bool) -> SavedView:
    """Keep a filter under a name.

    Args:
        owner: Whose it will be.
        name: As ``forms.ViewForm`` has cleaned it.
        query: In the one spelling of ``queries.canonical``.
        shared: Whether the team sees it.

    Raises:
        ViewError: There are too many, or the name was taken in this very moment.
        PermissionDenied: Not theirs to share.
    """
    if shared and not can_share(owner):
        raise PermissionDenied
    if SavedView.objects.filter(owner=owner).count() >= MOST_VIEWS:
        raise ViewError(
            gettext(
                "You have reached the limit of %(most_views)s views. Delete one first."
            )
            % {"most_views": MOST_VIEWS}
        )
    view = SavedView(owner=owner, name=name, query=query, shared=shared)
    with transaction.atomic():
        _save(view)
        _record(owner, "view.saved", view, after=_values(view))
    return view


def change_view(*, view: SavedView, by: User, name: str, shared: bool) -> SavedView:
    """Give a view another name or reach.

    Raises:
        ViewError: The name was taken in this very moment.
        PermissionDenied: Not theirs to change, or to share.
    """
    if not can_change(by, view) or (shared and not can_share(by)):
        raise PermissionDenied
    before = _values(view)
    view.name, view.shared = name, shared
    after = _values(view)
    if after == before:
        return view
    with transaction.atomic():
        _save(view)
        if before["shared"] and not shared:
            # Nobody else sees it any more, so it opens first for nobody else.
            view.firsts.exclude(user=view.owner).delete()
        _record(by, "view.changed", view, before=before, after=after)
    return view


def delete_view(*, view: SavedView, by: User) -> None:
    """Forget a view; for whom it opened first, the whole list does again.

    Raises:
        PermissionDenied: Not theirs to delete.
    """
    if not can_change(by, view):
        raise PermissionDenied
    with transaction.atomic():
        _record(by, "view.deleted", view, before=_values(view))
        view.delete()


def set_default_view(*, user: User, view: SavedView | None) -> None:
    """Choose the view that opens first for this person; None for none.

    Args:
        user: Who chooses, for themselves only.
        view: One that they see.
    """
    with transaction.atomic():
        former = FirstView.objects.filter(user=user).select_related("view").first()
        if view is None and former is not None:
            former.delete()
            _record(user, "view.not_first", former.view)
        elif view is not None and (former is None or former.view_id != view.pk):
            FirstView.objects.update_or_create(user=user, defaults={"view": view})
            _record(user, "view.first", view)


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
