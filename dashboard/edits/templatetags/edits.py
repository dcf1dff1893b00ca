"""Template filters that put edits into words; see ``wording`` and ``outcome_text``."""

from typing import Any
from uuid import UUID

from django import template
from django.template.context import Context

from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, outcome_text, selectors

register = template.Library()

register.filter("edit_look", outcome_text.look)
register.filter("edit_sentence", outcome_text.sentence)
register.filter("edit_next_step", outcome_text.next_step)
register.filter("edit_change", display.wish)
register.filter("attempt_outcome", display.outcome)
register.filter("edit_comparison", display.comparison)


@register.inclusion_tag("edits/banner.html", takes_context=True)
def filed_change(context: Context, message: object) -> dict[str, Any]:
    """The banner of an edit that was just filed; ``message`` is its key."""
    request = context["request"]
    found = selectors.edits_visible_to(request.user)
    edit = found.filter(pk=UUID(str(message))).first()
    # It may have gone with its instance since.
    if edit is None:
        return {}
    return {
        "edit": edit,
        "may_edit": can_edit(request.user, edit.instance.owner),
        "csrf_token": context["csrf_token"],
    }
