"""Reports and runs as CSV and JSON."""

import json
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.audit.export import csv_lines, requested_separator
from dashboard.audit.services import record_event
from dashboard.costs import export, usage
from dashboard.costs.filters import CostQuery, RunQuery
from dashboard.costs.messages import COSTS
from dashboard.costs.models import Run
from dashboard.costs.run_lines import RunLine, run_lines
from dashboard.web.downloads import limited

CHUNK = 500
"""Runs in memory at a time."""


@require_safe
@limited
def report_csv(request: SignedInRequest) -> HttpResponseBase:
    """Export the lines of the report, and their total, as CSV.

    Query parameters:
        Those of the page. And ``separator``: ``comma``, or ``semicolon`` for German
        spreadsheets.

    Returns:
        200 with the file; 400 for an invalid parameter.
    """
    query = CostQuery(request.GET, request.user, timezone.now())
    separator = requested_separator(request.GET)
    if not query.is_valid or separator is None:
        return render(request, "400.html", status=400)
    document = _report(request, query, "csv")
    total = {"key": "", "label": ""} | document["total"] | {"share": None}
    rows = [{"row": "line"} | export.flat(line) for line in document["lines"]]
    rows.append({"row": "total"} | export.flat(total))
    lines = csv_lines(rows[0], (row.values() for row in rows), separator)
    return _file(lines, "costs", "csv", query)


@require_safe
@limited
def report_json(request: SignedInRequest) -> HttpResponseBase:
    """Export the report with its trend and gaps as JSON; else as ``report_csv``."""
    query = CostQuery(request.GET, request.user, timezone.now())
    if not query.is_valid:
        return render(request, "400.html", status=400)
    document = _report(request, query, "json")
    text = json.dumps(document, ensure_ascii=False, indent=1)
    return _file([text, "\n"], "costs", "json", query)


@require_safe
@limited
def runs_csv(request: SignedInRequest) -> HttpResponseBase:
    """Export all runs that the page lists as CSV; else as ``report_csv``."""
    query = RunQuery(request.GET, request.user, timezone.now())
    separator = requested_separator(request.GET)
    if not query.is_valid or separator is None:
        return render(request, "400.html", status=400)
    keys, currencies = _runs(request, query, "csv")
    columns = export.run_columns(currencies)
    rows = (
        export.flat(export.run_values(line, currencies)).values()
        for line in _read(keys, query)
    )
    return _file(csv_lines(columns, rows, separator), "runs", "csv", query)


@require_safe
@limited
def runs_json(request: SignedInRequest) -> HttpResponseBase:
    query = RunQuery(request.GET, request.user, timezone.now())
    if not query.is_valid:
        return render(request, "400.html", status=400)
    keys, currencies = _runs(request, query, "json")
    head = export.head(query) | {"count": len(keys)}
    values = (export.run_values(line, currencies) for line in _read(keys, query))
    return _file(_json_lines(head, values), "runs", "json", query)


def _report(request: SignedInRequest, query: CostQuery, form: str) -> dict[str, Any]:
    document = export.report_document(query)
    _record(request, query, "report", form, len(document["lines"]))
    return document


def _runs(
    request: SignedInRequest, query: RunQuery, form: str
) -> tuple[list[int], list[str]]:
    """Return the keys of the runs, and the currencies of all that they can cost.

    The rows are read by key later, so a slow download keeps no transaction open.
    """
    keys = list(query.runs().values_list("pk", flat=True))
    total = usage.report(query.reading, query.by).total
    _record(request, query, "runs", form, len(keys))
    return keys, sorted(total.running_cost.amounts)


def _read(keys: Iterable[int], query: RunQuery) -> Iterator[RunLine]:
    for chunk in batched(keys, CHUNK, strict=False):
        runs = _with_properties().in_bulk(chunk)
        found = [runs[key] for key in chunk if key in runs]
        yield from run_lines(found, query.now, query.period)


def _with_properties() -> QuerySet[Run]:
    return Run.objects.select_related(
        "allocation__cloud", "instance", "ended_by_person"
    ).defer("instance__document", "instance__search_text")


def _json_lines(head: dict[str, Any], runs: Iterable[object]) -> Iterator[str]:
    """Yield a JSON document with one run on each line."""
    yield f'{json.dumps(head, ensure_ascii=False)[:-1]}, "runs": ['
    comma = ""
    for values in runs:
        yield f"{comma}\n{json.dumps(values, ensure_ascii=False)}"
        comma = ","
    yield "\n]}\n"


def _record(
    request: SignedInRequest, query: CostQuery, what: str, form: str, rows: int
) -> None:
    record_event(
        request.user,
        "costs.exported",
        target_label=COSTS(),
        after={
            "content": what,
            "format": form,
            "since": f"{query.period.first_day}",
            "until": f"{query.period.last_day}",
            "query": urlencode(query.kept),
            "rows": rows,
        },
    )


def _file(
    lines: Iterable[str], name: str, form: str, query: CostQuery
) -> StreamingHttpResponse:
    first, last = query.period.first_day, query.period.last_day
    file_name = f"curfew-{name}-{first:%Y%m%d}-{last:%Y%m%d}.{form}"
    content_type = "application/json" if form == "json" else "text/csv; charset=utf-8"
    return StreamingHttpResponse(
        ("".join(chunk) for chunk in batched(lines, CHUNK, strict=False)),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )
