"""Export of the list, with all its pages, as CSV or JSON."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.audit.export import BYTE_ORDER_MARK, harmless, separator_asked
from dashboard.audit.services import record_event
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Instance
from dashboard.saved.columns import COLUMNS, NEEDLESS, Value, values
from dashboard.saved.messages import INSTANCE_LIST
from dashboard.saved.models import SavedView
from dashboard.saved.queries import canonical
from dashboard.saved.selectors import named
from dashboard.web.downloads import limited

CHUNK = 500
"""Rows in memory at a time."""

EVERYTHING = "instances"
"""The file name of an export without a saved view."""


@require_safe
@limited
def as_csv(request: SignedInRequest) -> HttpResponseBase:
    """Export as CSV.

    Query parameters:
        Those of the list, except for the page and the rows of a page. And
        ``separator``: ``comma``, or ``semicolon`` for German spreadsheets.

    Returns:
        200 with the file; 400 for an invalid filter, since a file with too many rows
        would go unnoticed.
    """
    return _export(request, "csv")


@require_safe
@limited
def as_json(request: SignedInRequest) -> HttpResponseBase:
    """Export as JSON; see ``as_csv``."""
    return _export(request, "json")


def _export(request: SignedInRequest, form: str) -> HttpResponseBase:
    query = ListQuery(request.GET)
    separator = separator_asked(request.GET)
    if query.ignored or separator is None:
        return _refusal(request)
    user, now = request.user, timezone.now()
    canonical_query = canonical(query)
    view = named(canonical_query, list(SavedView.objects.visible_to(user)), user=user)
    # Read all keys first, then the rows in short reads by key. So a slow download keeps
    # no transaction open and gets no row twice, and only keys stay in memory.
    keys = list(
        query.apply(Instance.objects.visible_to(user)).values_list("pk", flat=True)
    )
    record_event(
        actor=user,
        action="list.exported",
        target_kind="view",
        target_id=str(view.pk) if view else "",
        target_label=view.name if view else INSTANCE_LIST(),
        after={"format": form, "query": canonical_query, "instances": len(keys)},
    )
    instances = _read(keys, user)
    if form == "csv":
        lines, content_type = csv_lines(instances, separator), "text/csv; charset=utf-8"
    else:
        head = {
            "view": view.name if view else None,
            "query": canonical_query,
            "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "count": len(keys),
        }
        lines, content_type = json_lines(instances, head), "application/json"
    name = file_name(view, now, form)
    return StreamingHttpResponse(
        _in_chunks(lines),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def file_name(view: SavedView | None, now: datetime, form: str) -> str:
    """Return a name of ASCII letters, digits and hyphens."""
    name = (slugify(view.name)[:60] or "view") if view else EVERYTHING
    return f"curfew-{name}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{form}"


def csv_lines(instances: Iterable[Instance], separator: str = ",") -> Iterator[str]:
    """Yield the lines, header first, without formulas."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, delimiter=separator)
    yield BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    for instance in instances:
        yield writer.writerow([_cell(value) for value in values(instance).values()])


def json_lines(
    instances: Iterable[Instance], head: Mapping[str, Value]
) -> Iterator[str]:
    """Yield a JSON document with one instance on each line."""
    yield f'{json.dumps(head, ensure_ascii=False)[:-1]}, "instances": ['
    comma = ""
    for instance in instances:
        yield f"{comma}\n{json.dumps(values(instance), ensure_ascii=False)}"
        comma = ","
    yield "\n]}\n"


class _Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return harmless(str(value))


def _read(keys: list[int], user: User) -> Iterator[Instance]:
    for chunk in batched(keys, CHUNK, strict=False):
        instances = (
            Instance.objects.visible_to(user)
            .select_related("cloud")
            .defer(*NEEDLESS)
            .in_bulk(chunk)
        )
        yield from (instances[key] for key in chunk if key in instances)


def _in_chunks(lines: Iterator[str]) -> Iterator[str]:
    for chunk in batched(lines, CHUNK, strict=False):
        yield "".join(chunk)


def _refusal(request: SignedInRequest) -> HttpResponse:
    return render(request, "400.html", status=400)
