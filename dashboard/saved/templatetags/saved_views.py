"""The menu of saved views for the list, a page of a lower app."""

from typing import Any

from django import template

from dashboard.saved.selectors import MENU_LENGTH, menu

register = template.Library()


@register.inclusion_tag("saved/_menu.html", takes_context=True)
def views_menu(context: template.Context) -> dict[str, Any]:
    """Return the context of the menu.

    The template's context must have ``request`` and ``query``, a ``ListQuery``.
    """
    request, kept = context["request"], context["query"].kept
    return {
        "menu": menu(context["query"], user=request.user),
        "most": MENU_LENGTH,
        # The filters that the timeline has, too.
        "narrowed": {name: kept[name] for name in ("owner", "cloud") if name in kept},
        "request": request,
        "csrf_token": context.get("csrf_token"),
    }
