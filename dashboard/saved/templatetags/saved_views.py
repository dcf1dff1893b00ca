from typing import Any

from django import template
from django.utils.translation import gettext

from dashboard.instances.display import GROUPS, OPTIONAL, Display
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ListQuery
from dashboard.saved.queries import normalized
from dashboard.saved.selectors import MENU_LENGTH, menu

register = template.Library()


@register.inclusion_tag("saved/_menu.html", takes_context=True)
def views_menu(context: template.Context) -> dict[str, Any]:
    """Return the menu's context; the page's has ``request`` and ``query``."""
    request = context["request"]
    return {
        "menu": menu(context["query"], user=request.user),
        "most": MENU_LENGTH,
        "request": request,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("saved/_ways.html", takes_context=True)
def views_ways(context: template.Context) -> dict[str, Any]:
    """Return the context of the ways from the list; the page's has ``query``."""
    query: ListQuery = context["query"]
    lists = query.seen_by(context["request"].user).lists
    # The filters that the timeline has, too, as far as it has them.
    narrowed = {name: lists[name][0] for name in ("owner", "cloud") if name in lists}
    fits = all(len(lists[name]) == 1 for name in narrowed) and not any(
        value.startswith(EXCLUDED) for value in narrowed.values()
    )
    return {
        "query": normalized(query),
        "narrowed": narrowed if fits else {},
        "request": context["request"],
    }


@register.inclusion_tag("saved/_display.html", takes_context=True)
def display_menu(context: template.Context) -> dict[str, Any]:
    """Return the context of the display menu; the page's has ``display`` too."""
    display: Display = context["display"]
    return {
        "columns": [
            (key, label, key not in display.hidden) for key, label in OPTIONAL.items()
        ],
        "groups": [("", gettext("No groups")), *GROUPS.items()],
        "display": display,
        "query": normalized(context["query"]),
        "user": context["request"].user,
        "csrf_token": context.get("csrf_token"),
    }
