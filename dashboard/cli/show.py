"""Instances as lines of a table. Pure functions."""

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

type Json = dict[str, Any]

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def clean(text: str) -> str:
    """Replace control characters: the owner of a notebook chooses its name."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def instances(items: Sequence[Json], now_ms: int) -> list[str]:
    """Return a table of instances.

    It has the generation where there are both, and tags where there are any.
    """
    columns = dict(_COLUMNS)
    if len({item.get("generation") for item in items}) < 2:
        del columns["GENERATION"]
    if not any(item.get("tags") for item in items):
        del columns["TAGS"]
    rows = ([read(item, now_ms) for read in columns.values()] for item in items)
    return table(rows, list(columns))


def late_stops(items: Sequence[Json]) -> list[str]:
    """Return a table of instances that should have stopped."""
    rows = (
        [
            item["instance"]["name"] or item["instance"]["instance_id"],
            item["instance"]["status_text"],
            item["instance"]["owner"]["name"],
            local(item["since"]),
            item["cause"],
        ]
        for item in items
    )
    return table(rows, ["NAME", "STATUS", "OWNER", "WAS DUE", "CAUSE"])


def schedules(items: Sequence[Json]) -> list[str]:
    """Return the table of schedules, in their order."""
    rows = [
        (
            str(item["position"]),
            _short(item["name"]),
            item["mode"].replace("_", " "),
            ", ".join(filter(None, item["scope"].values())) or "all",
            str(item["instances"]),
            f"{moment['kind']} {local(moment['at'])}"
            if (moment := item["next_moment"])
            else "",
        )
        for item in items
    ]
    return table(rows, ("#", "NAME", "MODE", "SCOPE", "INSTANCES", "NEXT"))


def policies(items: Sequence[Json]) -> list[str]:
    """Return the table of policies, in their order."""
    rows = [
        (
            str(item["position"]),
            _short(item["name"]),
            item["mode"] + (", acts" if item["acts"] else ""),
            ", ".join(filter(None, item["scope"].values())) or "all",
            item["requirement"],
        )
        for item in items
    ]
    return table(rows, ("#", "NAME", "MODE", "SCOPE", "REQUIREMENT"))


def overrides(items: Sequence[Json]) -> list[str]:
    """Return the table of overrides, the next end first."""
    rows = [
        (
            _short(item["instance_name"]),
            item["kind"],
            local(item["skips"] or item["until"]),
            item["created_by"],
            item["reason"],
        )
        for item in items
    ]
    return table(rows, ("NAME", "OVERRIDE", "UNTIL", "BY", "REASON"))


def table(
    rows: Iterable[Sequence[str]],
    columns: Sequence[str],
    numbers: Collection[str] = (),
) -> list[str]:
    """Return lines, the header first.

    Args:
        numbers: The columns that are aligned to the right.
    """
    cells = [[_short(clean(cell)) for cell in row] for row in (columns, *rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]

    def padded(at: int, cell: str) -> str:
        space = " " * (widths[at] - width(cell))
        return space + cell if columns[at] in numbers else cell + space

    return [
        "  ".join(padded(at, cell) for at, cell in enumerate(row)).rstrip()
        for row in cells
    ]


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0  # drawn over the previous one
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _tags(tags: dict[str, str]) -> str:
    return ", ".join(
        f"{key}={value}" if value else key for key, value in sorted(tags.items())
    )


_COLUMNS: dict[str, Callable[[Json, int], str]] = {
    "NAME": lambda item, now_ms: item["name"] or item["instance_id"],
    "GENERATION": lambda item, now_ms: item["generation"],
    "STATUS": lambda item, now_ms: item["status_text"],
    "OWNER": lambda item, now_ms: item["owner"]["name"],
    "THIS RUN": lambda item, now_ms: countdown(item["this_run"], now_ms),
    "NEXT RUN": lambda item, now_ms: item["next_run_text"],
    "TAGS": lambda item, now_ms: _tags(item["tags"]),
    "EDIT": lambda item, now_ms: item["edit"]["state"] if item["edit"] else "",
}


def countdown(run: Json, now_ms: int) -> str:
    """Return the time left of a run, as the pages show it."""
    stops_at_ms = run["stops_at_ms"]
    if stops_at_ms is None:
        earliest = run.get("not_before")
        text = str(run["text"])
        return f"{text}, not before {local(earliest, '%H:%M')}" if earliest else text
    left = math.ceil((stops_at_ms - now_ms) / 1_000)
    if left > 0:
        return remaining(left)
    return "stopping…" if run["state"] == "counting" else str(run["text"])


def local(moment: str | None, form: str = "%Y-%m-%d %H:%M %Z") -> str:
    """Return an ISO 8601 moment in the zone of this machine; empty for None."""
    if not moment:
        return ""
    return format(datetime.fromisoformat(moment).astimezone(), form)


def remaining(seconds: int) -> str:
    """Return the time left, rounded as the pages do; a test compares both."""
    if seconds > 2 * _DAY:
        return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    if seconds >= 5 * _MINUTE:
        return f"{seconds // _MINUTE} min"
    if seconds >= _MINUTE:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds} s"


def _short(text: str, most: int = 44) -> str:
    if width(text) <= most:
        return text
    while width(text) >= most:
        text = text[:-1]
    return f"{text}…"
