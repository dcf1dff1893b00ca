from collections.abc import Hashable

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from dashboard.instances.display import GROUPS, OPTIONAL, Display
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ListQuery
from dashboard.saved.models import SavedView
from dashboard.saved.queries import normalized
from dashboard.saved.selectors import MENU_LENGTH, menu
from dashboard.web.shared_html import SharedHtml

register = template.Library()
_menu = SharedHtml("saved/_menu.html")
_ways = SharedHtml("saved/_ways.html")
_display = SharedHtml("saved/_display.html")


@register.simple_tag(takes_context=True)
def views_menu(context: template.Context) -> SafeString:
    """Render the menu of views; the page's context has ``request`` and ``query``."""
    views = menu(context["query"], user=context["request"].user)
    key = (
        *(views.query, views.may_share, views.hidden),
        views.current and views.current.pk,
        *map(_key, views.mine[:MENU_LENGTH]),
        # Only these say whose they are.
        *((_key(view), str(view.owner)) for view in views.team[:MENU_LENGTH]),
    )
    return _menu.render(
        key,
        {"menu": views, "most": MENU_LENGTH},
        csrf_token=context["csrf_token"],
    )


def _key(view: SavedView) -> Hashable:
    """Return all that the menu shows of a view."""
    is_default = view.is_default  # type: ignore[attr-defined]  # annotated
    return (view.pk, view.query, view.name, view.shared, is_default)


@register.simple_tag(takes_context=True)
def views_ways(context: template.Context) -> SafeString:
    """Render the ways from the list; the page's context has ``query``."""
    query: ListQuery = context["query"]
    lists = query.seen_by(context["request"].user).lists
    # The filters that the timeline has, too, as far as it has them.
    narrowed = {name: lists[name][0] for name in ("owner", "cloud") if name in lists}
    fits = all(len(lists[name]) == 1 for name in narrowed) and not any(
        value.startswith(EXCLUDED) for value in narrowed.values()
    )
    shown = {"query": normalized(query), "narrowed": narrowed if fits else {}}
    key = (shown["query"], *(narrowed.items() if fits else ()))
    return _ways.render(key, shown)


@register.simple_tag(takes_context=True)
def display_menu(context: template.Context) -> SafeString:
    """Render the display menu; the page's context has ``display``, too."""
    display: Display = context["display"]
    query = normalized(context["query"])
    time_zone = context["request"].user.time_zone
    return _display.render(
        (display, query, time_zone),
        {
            "columns": [
                (key, label, key not in display.hidden)
                for key, label in OPTIONAL.items()
            ],
            "groups": [("", gettext("No groups")), *GROUPS.items()],
            "display": display,
            "query": query,
            "time_zone": time_zone,
        },
        csrf_token=context["csrf_token"],
    )
