"""Signals for the apps above, each sent in the transaction of what it tells."""

from django.dispatch import Signal

statuses_changed = Signal()
"""Instances changed their statuses, or were seen first, or are missing. Receivers get
``cloud`` and ``transitions``, a list of ``transitions.Transition`` in their order."""

cloud_renamed = Signal()
"""A cloud has another name: ``was`` and ``name``; ``stayed`` says whether some of its
instances keep the former one."""

instances_moved = Signal()
"""Instances of ``cloud`` are now those of ``into``. If none stayed, ``cloud`` is
deleted next."""

gap_ended = Signal()
"""A cloud was read again after a gap (``gaps``): ``cloud``, ``since``, ``until``."""
