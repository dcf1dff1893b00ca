"""What apps above this one hear of rules."""

from django.dispatch import Signal

acting_ended = Signal()
"""A rule acts no more: paused, changed or removed. Sent in that transaction, with
``rule`` and ``actor``; a receiver returns how many edits it has cancelled."""
