"""Signals about rules, for the apps above."""

from django.dispatch import Signal

acting_ended = Signal()
"""Sent with ``rule`` and ``actor`` in the transaction that pauses, changes or deletes a
rule. A receiver returns how many edits it has cancelled."""
