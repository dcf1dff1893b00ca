"""Template filters that put edits into words; see ``wording``."""

from django import template

from dashboard.edits import wording

register = template.Library()

register.filter("edit_look", wording.look)
register.filter("edit_sentence", wording.sentence)
register.filter("edit_next_step", wording.next_step)
register.filter("edit_wish", wording.wish)
register.filter("attempt_outcome", wording.outcome)
