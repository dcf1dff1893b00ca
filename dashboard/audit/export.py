"""The audit trail as CSV that is safe to open in a spreadsheet."""

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC

from django.http import QueryDict

from .models import AuditEvent

COLUMNS = (
    *("at", "person", "action", "outcome", "target kind", "target", "target id"),
    *("instance", "before", "after", "reason", "address", "request id", "via"),
)
FORMULA = tuple("=+-@|%") + tuple("\uff1d\uff0b\uff0d\uff20")
"""Characters that begin a formula; the last four are full-width."""

SEPARATORS = {"comma": ",", "semicolon": ";"}
"""Cell separators by the value of the query parameter."""

_CELL_ENDS = re.compile(r"([,;\n\u2028\u2029])")
"""Characters at which a spreadsheet may split a cell."""

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""C0 and C1 except the line break. Tabs separate cells; terminals run the others."""

_PLAIN = re.compile(r"(?:[0-9A-Za-z][ -+\--:<-~]*)?")
"""Cells of which nothing below can apply: printable ASCII without a separator, from a
letter or digit on. Most are, and an export has millions."""

BYTE_ORDER_MARK = "\ufeff"
"""Makes Excel read the file as UTF-8."""


class _Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def requested_separator(data: QueryDict) -> str | None:
    """Return the separator that the query names; None for an unknown one."""
    return SEPARATORS.get(data.get("separator") or "comma")


def csv_lines(
    columns: Iterable[str], rows: Iterable[Iterable[str]], separator: str = ","
) -> Iterator[str]:
    """Yield the lines of a CSV file, header first, without formulas."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, delimiter=separator)
    yield BYTE_ORDER_MARK + writer.writerow(columns)
    for row in rows:
        yield writer.writerow([harmless(cell) for cell in row])


def harmless(cell: str) -> str:
    """Return the cell with an apostrophe before each possible formula.

    A formula may begin at the start of the cell and, since a spreadsheet may split at
    another separator, after each comma, semicolon and line break. Blanks, invisible
    characters and quotes may precede it. Control characters except line breaks become
    spaces.

    Source: OWASP, "CSV Injection".
    """
    if _PLAIN.fullmatch(cell):
        return cell
    cell = _CONTROLS.sub(" ", cell.replace("\r\n", "\n").replace("\r", "\n"))
    parts = _CELL_ENDS.split(cell)
    if len(parts) > 1:
        parts[::2] = [_as_text(part) for part in parts[::2]]
        cell = "".join(parts)
    return _as_text(cell)


def _as_text(cell: str) -> str:
    if cell[:1].isalnum():  # as nearly all cells
        return cell
    visible = (
        char
        for char in cell
        if char != '"' and unicodedata.category(char)[0] not in "CZ"
    )
    return f"'{cell}" if next(visible, "") in FORMULA else cell


def cells(event: AuditEvent) -> tuple[str, ...]:
    """Return the cells of an event. Times are UTC, values JSON."""
    return (
        event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        event.actor_label,
        event.action,
        event.outcome,
        event.target_kind,
        event.target_label,
        event.target_id,
        event.instance,
        json.dumps(event.before, ensure_ascii=False) if event.before else "",
        json.dumps(event.after, ensure_ascii=False) if event.after else "",
        event.reason.in_english,
        event.address or "",
        event.request_id,
        event.via.in_english,
    )
