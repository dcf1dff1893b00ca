"""The audit trail as CSV, a row at a time, safe to open in a spreadsheet."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC

from .models import AuditEvent

COLUMNS = (
    *("at", "person", "action", "outcome", "target kind", "target", "target id"),
    *("instance", "before", "after", "reason", "address", "request id", "via"),
)
FORMULA = tuple("=+-@\t\r\n|%") + tuple("\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet calculate; the last four are the full-width ones."""

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    """Lines of the file, header first. Times are UTC, values JSON."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    for event in events:
        yield writer.writerow([harmless(cell) for cell in _cells(event)])


def harmless(cell: str) -> str:
    """The cell as text, whatever a spreadsheet would make of it.

    Source: OWASP, "CSV Injection". Leading blanks do not help an attacker, either:
    spreadsheets strip them.
    """
    cell = cell.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if cell.startswith(FORMULA) or cell.lstrip().startswith(FORMULA):
        return f"'{cell}"
    return cell


def _cells(event: AuditEvent) -> tuple[str, ...]:
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
        event.reason,
        event.address or "",
        event.request_id,
        event.via,
    )
