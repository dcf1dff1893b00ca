"""What is summed up of a day and an allocation: columns of ``UsageDay``."""

from operator import add
from typing import NamedTuple

from .models import Run


class Sums(NamedTuple):
    """In **seconds** and numbers; see ``UsageDay``."""

    running: int = 0
    stopped: int = 0
    unknown: int = 0
    ended_seconds: int = 0
    ended_auto_stop: int = 0
    ended_person: int = 0
    ended_schedule: int = 0
    ended_policy: int = 0
    ended_curfew: int = 0
    ended_cloud: int = 0
    ended_unknown: int = 0
    avoided_auto_stop: int = 0
    avoided_schedule: int = 0
    avoided_policy: int = 0
    avoided_curfew: int = 0
    unsure_auto_stop: int = 0
    unsure_schedule: int = 0
    unsure_policy: int = 0
    unsure_curfew: int = 0

    def plus(self, other: "Sums") -> "Sums":
        return Sums._make(map(add, self, other))


COLUMNS = Sums._fields
RUNNING, STOPPED, UNKNOWN, ENDED_SECONDS = range(4)
ENDED = {str(kind): COLUMNS.index(f"ended_{kind}") for kind in Run.EndedBy}
AVOIDED = {str(kind): COLUMNS.index(f"avoided_{kind}") for kind in Run.SAVING}
UNSURE = {str(kind): COLUMNS.index(f"unsure_{kind}") for kind in Run.SAVING}
"""Places of the columns for each ``Run.EndedBy``."""
