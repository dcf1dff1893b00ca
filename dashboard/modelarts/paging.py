"""Reads a listing page by page, in either generation."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set as AbstractSet
from dataclasses import replace

import httpx

from dashboard.modelarts.json_reader import Json
from dashboard.modelarts.results import FindUnchanged, InstancePage, Layout, read_page

MAX_INSTANCES = 100_000
"""No real listing has more."""

BYTES_PER_INSTANCE = 16_000
"""The documented samples are under 3 000."""


def read_pages(
    fetch: Callable[[int], httpx.Response],
    layout: Layout,
    *,
    page_size: int,
    find_unchanged: FindUnchanged | None,
    offset: int,
    seen: Iterable[str],
    expected: int,
) -> Iterator[InstancePage]:
    """Yield the pages of a listing; see ``InstanceApi.list_instances``.

    The count may be wrong, so a full page is always followed by a request for the next.

    Args:
        fetch: Requests the page that begins at an offset.
        layout: How the answer is laid out.
    """
    known = set(seen)
    while True:
        page = read_page(
            fetch(offset),
            layout,
            offset=offset,
            seen=known,
            find_unchanged=find_unchanged,
        )
        offset += page.records
        is_short = page.records < page_size
        is_last = (
            page.has_nothing_new
            or offset >= MAX_INSTANCES
            or (is_short and offset >= max(page.total_count, expected))
        )
        yield replace(page, is_last=is_last)
        if is_last:
            return


def read_wanted(
    response: httpx.Response, layout: Layout, *, offset: int, wanted: AbstractSet[str]
) -> InstancePage:
    """Return a page of which only some instances are parsed.

    Args:
        response: Successful and already read.
        layout: How it is laid out.
        offset: Index of its first record.
        wanted: The ids of those instances.
    """

    def others(records: Sequence[Json]) -> set[str]:
        ids = (record.get("id") for record in records if isinstance(record, dict))
        return {one for one in ids if isinstance(one, str) and one not in wanted}

    return read_page(response, layout, offset=offset, seen=set(), find_unchanged=others)
