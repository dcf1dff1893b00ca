from django.dispatch import Signal

teams_changed = Signal()
"""Sent in the transaction of a change of which instances belong to a team."""
