from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.audit.services import record_event
from dashboard.instances.display import Display

from .models import DefaultView, ListDisplay, SavedView
from .permissions import can_change, can_share
from .selectors import display_of

MAX_VIEWS = 100
"""The most views that one person may save."""


class ViewError(Exception):
    """The view cannot be saved; the message says why."""


def save_view(*, actor: User, name: str, query: str, shared: bool = False) -> SavedView:
    """Save a view of the actor, with the values of a valid ``forms.NewViewForm``.

    Raises:
        ViewError: The actor has too many views, or has just used the name.
        PermissionDenied: The actor may not share views.
    """
    if shared and not can_share(actor):
        raise PermissionDenied(_("Viewers cannot share views."))
    if SavedView.objects.filter(owner=actor).count() >= MAX_VIEWS:
        raise ViewError(
            _("You have reached the limit of %(most_views)s views. Delete one first.")
            % {"most_views": MAX_VIEWS}
        )
    view = SavedView(owner=actor, name=name, query=query, shared=shared)
    with transaction.atomic():
        _save(view)
        record_event(actor, "view.saved", view, after=_values(view))
    return view


def change_view(
    *, view: SavedView, actor: User, name: str, shared: bool = False
) -> SavedView:
    """Rename a view, share it or stop sharing it.

    Raises:
        ViewError: The owner has just used the name for another view.
        PermissionDenied: The actor may not change the view, or not share it.
    """
    if not can_change(actor, view):
        raise PermissionDenied(_("You can change only your own views."))
    if shared and not can_share(actor):
        raise PermissionDenied(_("Viewers cannot share views."))
    before = _values(view)
    view.name, view.shared = name, shared
    after = _values(view)
    if after == before:
        return view
    with transaction.atomic():
        _save(view)
        if before["shared"] and not shared:
            # People who cannot see it must not have it as their default.
            view.default_for.exclude(user=view.owner).delete()
        record_event(actor, "view.changed", view, before=before, after=after)
    return view


def delete_view(*, view: SavedView, actor: User) -> None:
    """Delete a view, also as the default of anyone.

    Raises:
        PermissionDenied: The actor may not delete the view.
    """
    if not can_change(actor, view):
        raise PermissionDenied(_("You can change only your own views."))
    with transaction.atomic():
        record_event(actor, "view.deleted", view, before=_values(view))
        view.delete()


def set_default_view(*, actor: User, view: SavedView | None) -> None:
    """Choose the view that opens first for the actor; None for none."""
    with transaction.atomic():
        former = DefaultView.objects.filter(user=actor).select_related("view").first()
        if view is None and former is not None:
            former.delete()
            record_event(actor, "view.not_first", former.view)
        elif view is not None and (former is None or former.view_id != view.pk):
            DefaultView.objects.update_or_create(user=actor, defaults={"view": view})
            record_event(actor, "view.first", view)


def set_display(*, actor: User, display: Display, time_zone: str) -> None:
    """Choose how the actor sees the list, and the zone of times on all pages.

    Args:
        actor: The person.
        display: Valid, as by ``forms.DisplayForm``.
        time_zone: Name in the tz database; empty for that of the browser.
    """
    before = _display_values(display_of(actor), actor.time_zone)
    after = _display_values(display, time_zone)
    if after == before:
        return
    with transaction.atomic():
        ListDisplay.objects.update_or_create(
            user=actor,
            defaults=display._asdict() | {"hidden": sorted(display.hidden)},
        )
        actor.time_zone = time_zone
        actor.save(update_fields=["time_zone"])
        record_event(actor, "list.display_changed", actor, before=before, after=after)


def _display_values(display: Display, time_zone: str) -> dict[str, object]:
    return {
        "hidden": sorted(display.hidden),
        "compact": display.is_compact,
        "group": display.group,
        "time_zone": time_zone,
    }


def _save(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise ViewError(_("A view with this name already exists.")) from error


def _values(view: SavedView) -> dict[str, object]:
    return {"name": view.name, "query": view.query, "shared": view.shared}
