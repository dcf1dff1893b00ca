"""Rows of the list as HTML, each drawn once for all who are shown the same.

Drawing a hundred rows took most of a page's time. What a row shows is the key it is
kept by, so nothing has to be invalidated: a row that looks different is another one.
Only the time left differs each minute; it is put in afterwards.
"""

from collections.abc import Hashable
from functools import lru_cache

from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .selectors import Row

KEPT = 4_096
"""Rows a process keeps: some 10 MB."""

# NUL cannot stand in a text that was stored (``wire.clean_text``).
_URGENCY, _TEXT = "\0urgency\0", "\0text\0"


class _Drawing:
    """A row to draw, equal to every row that looks the same."""

    def __init__(self, row: Row, *, shows_cloud: bool, out_of_band: bool) -> None:
        run = row.this_run._asdict()
        self.context = {
            "row": row,
            "run": run
            | {"text": _TEXT, "urgency": _URGENCY}
            | {"stops_at_ms": row.this_run.stops_at_ms, "verb": row.this_run.verb}
            | {"stopped_at_ms": row.this_run.stopped_at_ms},
            "shows_cloud": shows_cloud,
            "oob": out_of_band,
        }
        self.key: Hashable = (
            *_instance_key(row),
            row.look,
            *(run["state"], run["stops_at"], run["stopped_at"]),
            row.next_run,
            _edit_key(row),
            row.may_edit,
            shows_cloud,
            out_of_band,
            timezone.get_current_timezone_name(),
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawing) and self.key == other.key


def row_html(row: Row, *, shows_cloud: bool, out_of_band: bool = False) -> SafeString:
    """One row, a ``<tr>``.

    Args:
        row: What to draw.
        shows_cloud: Whether to name its cloud, because there are several.
        out_of_band: For a poll's answer: it replaces the row that stands there.
    """
    drawing = _Drawing(row, shows_cloud=shows_cloud, out_of_band=out_of_band)
    head, middle, tail = _parts(drawing)
    run = row.this_run
    html = f"{head}{run.urgency}{middle}{escape(run.text)}{tail}"
    return mark_safe(html)  # noqa: S308  (parts of a template's output, escaped there)


@lru_cache(maxsize=KEPT)
def _parts(drawing: _Drawing) -> tuple[str, str, str]:
    html = get_template("instances/list.html#row").render(drawing.context)
    # Kept as a key from now on: the instance itself need not live as long.
    drawing.context.clear()
    head, rest = html.split(_URGENCY)
    middle, tail = rest.split(_TEXT)
    return head, middle, tail


def _instance_key(row: Row) -> tuple[Hashable, ...]:
    one = row.instance
    return (
        *(one.pk, one.instance_id, one.cloud.name, one.name, one.description),
        *(one.owner_name, one.flavor_type, one.flavor, one.missing_since is None),
        bool(one.problems),
    )


def _edit_key(row: Row) -> Hashable:
    edit = row.edit
    return edit and (edit.pk, edit.kind, edit.state, edit.waits_for_next_start)
