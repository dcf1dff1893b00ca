"""Signals about schedules, for the apps above."""

from django.dispatch import Signal

acting_ended = Signal()
"""Sent with ``schedule`` and ``actor`` in the transaction that changes, switches or
deletes a schedule. A receiver returns how many waiting edits it has cancelled."""
