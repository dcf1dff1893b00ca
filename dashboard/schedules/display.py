"""Working times as text."""

from collections.abc import Iterable

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from .models import WorkingTime


def times_text(working_times: Iterable[WorkingTime]) -> str:
    """Return such as ``Mon-Fri 08:00-19:00; Sat, stop 13:00``, with dashes."""
    return _("; ").join(_row_text(row) for row in working_times)


def _row_text(row: WorkingTime) -> str:
    values = {"days": _days_text(row.weekdays), "stop": f"{row.stop:%H:%M}"}
    if row.start is None:
        return _("%(days)s, stop %(stop)s") % values
    return _("%(days)s %(start)s\N{EN DASH}%(stop)s") % {
        **values,
        "start": f"{row.start:%H:%M}",
    }


def _days_text(weekdays: Iterable[int]) -> str:
    spans: list[list[int]] = []
    for day in sorted(weekdays):
        if spans and spans[-1][-1] == day - 1:
            spans[-1].append(day)
        else:
            spans.append([day])
    texts = []
    for span in spans:
        first, last = (str(WEEKDAYS_ABBR[day]) for day in (span[0], span[-1]))
        # A dash for two days would not be shorter.
        names = [str(WEEKDAYS_ABBR[day]) for day in span]
        texts.append(
            f"{first}\N{EN DASH}{last}" if len(span) > 2 else _(", ").join(names)
        )
    return _(", ").join(texts)
