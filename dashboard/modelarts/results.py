"""The values that the client returns: instances, and the time of the answer."""

import hashlib
import time
from collections.abc import Callable, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NamedTuple

import httpx
from pydantic import ValidationError

from dashboard.modelarts import json_reader, notebook_schemas, responses, schemas
from dashboard.modelarts.lenient import integer

_SENT_AT_KEY, _RECEIVED_AT_KEY = "curfew_sent_at_ms", "curfew_received_at_ms"

MAX_CLOCK_DIFFERENCE_MS = 3_600_000
"""How far the clock in a document may be from the ``Date`` of its answer."""

UNUSABLE_ID_PREFIX = "unusable-id-"
"""Prefix of the ids that replace ids which cannot be used in a request."""

type WireInstance = schemas.Instance | notebook_schemas.Notebook
"""An instance as an answer contains it, of either generation."""

type WireModel = type[schemas.Instance] | type[notebook_schemas.Notebook]

type Scope = Literal["all", "own"]
"""Whose instances a listing contains: everyone's, or those of the cloud's user."""

type FindUnchanged = Callable[[Sequence[json_reader.Json]], AbstractSet[str]]
"""Takes the records of a page as received; returns the ids of those to skip."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Our clock and the cloud's at the same moment.

    Attributes:
        sent_at_ms: Our clock when the request was sent, Unix ms.
        received_at_ms: Our clock when the head of the answer arrived, Unix ms.
        date_ms: The ``Date`` header of the answer, Unix ms in whole seconds, if any.
    """

    sent_at_ms: int
    received_at_ms: int
    date_ms: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """An instance, and when it was read."""

    instance: WireInstance
    clock: ClockReading


@dataclass(frozen=True, slots=True)
class UnreadableInstance:
    """An element of a list that is not a usable instance.

    Attributes:
        instance_id: Replaces the received id (``replacement_id``); None without one.
        received_id: The id as received; it may contain anything and have any length.
        name: As far as it could be read; status likewise.
        problem: The invalid member, or ``document`` for the whole element.
    """

    instance_id: str | None
    received_id: str | None
    name: str | None
    status: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class InstancePage:
    """One page of a listing.

    Attributes:
        instances: Readable instances that were on no earlier page.
        unreadable: The others, in the order of the answer.
        total_count: Number of all matches, according to this answer.
        offset: Index of the first record of this page.
        records: Number of records in the answer, including repeated ones.
        clock: When the page was received.
        unchanged: Ids that the caller asked to skip.
        is_last: Whether the listing ends here.
        scope: Whose instances the listing contains.
    """

    instances: list[WireInstance]
    unreadable: list[UnreadableInstance]
    total_count: int
    offset: int
    records: int
    clock: ClockReading
    unchanged: list[str]
    is_last: bool = False
    scope: Scope = "all"

    @property
    def has_nothing_new(self) -> bool:
        """Whether earlier pages contained all ids of this page."""
        named = any(record.instance_id for record in self.unreadable)
        return not (self.instances or self.unchanged or named)


class Layout(NamedTuple):
    """How the answer to a list call is laid out.

    Attributes:
        model: Reads an element.
        total: Member with the number of all matches.
        records: Member with the elements of this page.
    """

    model: WireModel
    total: str
    records: str


def record_departure(request: httpx.Request) -> None:
    """Store when a request was sent; an httpx hook."""
    request.extensions[_SENT_AT_KEY] = time.time_ns() // 1_000_000


def record_arrival(response: httpx.Response) -> None:
    """Store when the head of an answer arrived; an httpx hook."""
    response.extensions[_RECEIVED_AT_KEY] = time.time_ns() // 1_000_000


def read_observation(
    response: httpx.Response,
    model: WireModel,
    document: json_reader.Json = None,
) -> Observation:
    """Return the instance of a successful answer.

    Args:
        response: Already read.
        model: Reads the document.
        document: That of the answer, if it has been read or completed.

    Raises:
        AmbiguousError: It contains no usable instance.
    """
    if document is None:
        document = responses.read_document(response)
    try:
        instance = model.model_validate(document)
    except ValidationError:
        raise responses.unreadable(response) from None
    return Observation(instance, _clock_reading(response))


def read_page(
    response: httpx.Response,
    layout: Layout,
    *,
    offset: int,
    seen: set[str],
    find_unchanged: FindUnchanged | None = None,
) -> InstancePage:
    """Return one page of a listing.

    Args:
        response: Successful and already read.
        layout: How it is laid out.
        offset: Index of its first record.
        seen: Ids of earlier pages; those of this page are added.
        find_unchanged: Finds the records to skip.

    Raises:
        AmbiguousError: It contains no list, or no number of all matches.
    """
    total, records = _listing(response, layout)
    instances, unreadable, unchanged = [], [], []
    to_skip = find_unchanged(records) if find_unchanged else frozenset()
    for record in records:
        received_id = record.get("id") if isinstance(record, dict) else None
        if isinstance(received_id, str) and received_id in to_skip:
            if received_id not in seen:
                seen.add(received_id)
                unchanged.append(received_id)
            continue
        try:
            instance = layout.model.model_validate(record)
        except ValidationError:
            bad = _unreadable(record)
            if bad.instance_id not in seen:
                unreadable.append(bad)
            if bad.instance_id:
                seen.add(bad.instance_id)
            continue
        if instance.id not in seen:
            seen.add(instance.id)
            instances.append(instance)
    clock = _clock_reading(response)
    return InstancePage(
        instances, unreadable, total, offset, len(records), clock, unchanged
    )


def replacement_id(received: str) -> str:
    """Return a usable, stable id that replaces a long or unprintable one."""
    digest = hashlib.sha256(received.encode("utf-8", "surrogatepass"))
    return f"{UNUSABLE_ID_PREFIX}{digest.hexdigest()[:32]}"


def upstream_skew_ms(
    instances: Sequence[WireInstance], clock: ClockReading, *, by_header: bool = True
) -> int | None:
    """Return how far the cloud's clock is ahead of ours, in milliseconds.

    ``stop_timestamp - remain_time * 1000`` is the cloud's time, up to a second too
    early since ``remain_time`` is rounded up. So the greatest of several estimates is
    the best, apart from outliers. Documents far from the ``Date`` header are ignored.

    Args:
        instances: The instances of the answer that ``clock`` belongs to.
        clock: When that answer was received.
        by_header: Whether the ``Date`` header counts where no instance tells the time.

    Returns:
        From the running instances, else from the ``Date`` header, else None.
    """
    estimates = sorted(
        estimate
        for instance in instances
        if (estimate := _cloud_time_ms(instance)) is not None
        and (
            clock.date_ms is None
            or abs(estimate - clock.date_ms) <= MAX_CLOCK_DIFFERENCE_MS
        )
    )
    if estimates:
        middle = estimates[(len(estimates) - 1) // 2]
        closest = max(e for e in estimates if e <= middle + 1_000)
        return closest - clock.received_at_ms
    if clock.date_ms is None or not by_header:
        return None
    return clock.date_ms - clock.received_at_ms


def _cloud_time_ms(instance: WireInstance) -> int | None:
    state = instance.state()
    if state.cloud_time_ms is not None:
        return state.cloud_time_ms
    if state.stop_timestamp_ms is None or state.remain_time is None:
        return None
    if state.remain_time <= 0:
        return None
    return state.stop_timestamp_ms - state.remain_time * 1_000


def _clock_reading(response: httpx.Response) -> ClockReading:
    return ClockReading(
        sent_at_ms=response.request.extensions[_SENT_AT_KEY],
        received_at_ms=response.extensions[_RECEIVED_AT_KEY],
        date_ms=responses.http_date_ms(response.headers.get("Date", "")),
    )


def _listing(
    response: httpx.Response, layout: Layout
) -> tuple[int, list[json_reader.Json]]:
    document = responses.read_document(response)
    try:
        total = integer(document.get(layout.total))
    except ValueError:
        total = None
    records = document.get(layout.records)
    if not isinstance(records, list):
        records = None
    if total is None or total < 0 or (records is None and total > 0):
        raise responses.unreadable(response)
    return total, records or []


def _unreadable(record: json_reader.Json) -> UnreadableInstance:
    if not isinstance(record, dict):
        return UnreadableInstance(None, None, None, None, "document")
    instance_id, name, status = (
        value if isinstance(value := record.get(key), str) and value else None
        for key in ("id", "name", "status")
    )
    return UnreadableInstance(
        replacement_id(instance_id) if instance_id else None,
        *(instance_id, name, status, "id"),
    )
