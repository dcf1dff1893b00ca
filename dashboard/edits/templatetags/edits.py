"""Template filters for edits; see ``display`` and ``outcome_text``."""

from typing import Any
from uuid import UUID

from django import template
from django.template.context import Context

from dashboard.accounts.permissions import can_edit
from dashboard.edits import display, outcome_text, selectors
from dashboard.edits.forms import PRESET_HOURS

register = template.Library()

register.simple_tag(lambda: PRESET_HOURS, name="preset_hours")
register.filter("edit_badge", outcome_text.badge)
register.filter("edit_sentence", outcome_text.sentence)
register.filter("edit_next_step", outcome_text.next_step)
register.filter("edit_change", display.change_text)
register.filter("edit_from_to", display.from_to)
register.filter("attempt_outcome", display.outcome)


@register.inclusion_tag("edits/banner.html", takes_context=True)
def submitted_change(context: Context, message: object) -> dict[str, Any]:
    """The banner of an edit that was just submitted; ``message`` is its primary key."""
    request = context["request"]
    edits = selectors.edits_visible_to(request.user)
    edit = edits.filter(pk=UUID(str(message))).first()
    # It may have been deleted with its instance since.
    if edit is None:
        return {}
    return {
        "edit": edit,
        "may_edit": can_edit(request.user, edit.instance.owner),
        "csrf_token": context["csrf_token"],
    }
