"""The menu of saved views, for the list: a page of an app further down."""

from typing import Any

from django import template

from dashboard.saved.selectors import MENU_LENGTH, menu

register = template.Library()


@register.inclusion_tag("saved/_menu.html", takes_context=True)
def views_menu(context: template.Context) -> dict[str, Any]:
    """Views to choose from, a form to save this one, and its export.

    Wants ``query`` (a ``ListQuery``) and ``request`` in the context.
    """
    request, kept = context["request"], context["query"].kept
    return {
        "menu": menu(context["query"], user=request.user),
        "most": MENU_LENGTH,
        # What the timeline can be narrowed by, too.
        "narrowed": {name: kept[name] for name in ("owner", "cloud") if name in kept},
        "request": request,
        "csrf_token": context.get("csrf_token"),
    }
