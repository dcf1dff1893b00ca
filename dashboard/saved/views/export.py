"""Export of the list, with all its pages, as CSV or JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.audit.export import csv_lines, requested_separator
from dashboard.audit.services import record_event
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Cloud, Instance
from dashboard.saved.columns import COLUMNS, DEFERRED, Value, values
from dashboard.saved.messages import INSTANCE_LIST
from dashboard.saved.models import SavedView
from dashboard.saved.queries import normalized
from dashboard.saved.selectors import named
from dashboard.web.downloads import limited

CHUNK = 500
"""Rows in memory at a time."""


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
    return _export(request, "json")


def _export(request: SignedInRequest, form: str) -> HttpResponseBase:
    query = ListQuery(request.GET)
    separator = requested_separator(request.GET)
    if query.ignored or separator is None:
        return render(request, "400.html", status=400)
    user, now = request.user, timezone.now()
    normalized_query = normalized(query)
    view = named(normalized_query, list(SavedView.objects.visible_to(user)), user=user)
    # Read all keys first, then the rows by key, chunk by chunk. So a slow download
    # keeps no transaction open and gets no row twice, and only keys stay in memory.
    keys = list(
        query.apply(Instance.objects.visible_to(user), user=user).values_list(
            "pk", flat=True
        )
    )
    record_event(
        actor=user,
        action="list.exported",
        target_kind="view",
        target=view,
        target_label=None if view else INSTANCE_LIST(),
        after={"format": form, "query": normalized_query, "instances": len(keys)},
    )
    instances = _read(keys, user)
    if form == "csv":
        rows = (map(_cell, values(instance).values()) for instance in instances)
        lines = csv_lines(COLUMNS, rows, separator)
        content_type = "text/csv; charset=utf-8"
    else:
        head = {
            "view": view.name if view else None,
            "query": normalized_query,
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
    name = (slugify(view.name)[:60] or "view") if view else "instances"
    return f"curfew-{name}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{form}"


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


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items()))
    return str(value)


def _read(keys: list[int], user: User) -> Iterator[Instance]:
    # Not joined: each row would get a copy of its cloud.
    clouds = Cloud.objects.in_bulk()
    for chunk in batched(keys, CHUNK, strict=False):
        visible = Instance.objects.visible_to(user)
        instances = visible.defer(*DEFERRED).in_bulk(chunk)
        for key in chunk:
            if instance := instances.get(key):
                instance.cloud = clouds[instance.cloud_id]
                yield instance


def _in_chunks(lines: Iterator[str]) -> Iterator[str]:
    for chunk in batched(lines, CHUNK, strict=False):
        yield "".join(chunk)
