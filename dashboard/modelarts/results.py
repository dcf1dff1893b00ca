"""What an answer showed, and when: the values that the client returns."""

import hashlib
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import httpx
from pydantic import ValidationError

from dashboard.modelarts import json_reader, responses, schemas

_RECEIVED_AT_KEY = "curfew_received_at_ms"

FURTHEST_APART_MS = 3_600_000
"""A clock that a document tells is believed up to an hour from the answer's own."""

MADE_UP_ID = "unusable-id-"
"""Begin of the ids that stand for those which ModelArts cannot be asked by."""

type Familiar = Callable[[Sequence[json_reader.Json]], AbstractSet[str]]
"""Of the records of a page as received, the ids of those that need not be read."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Two clocks at one moment.

    Attributes:
        received_at_ms: Our clock when the head of the answer arrived, Unix ms.
        date_ms: The answer's ``Date`` header, Unix ms in whole seconds; None where
            there is none.
    """

    received_at_ms: int
    date_ms: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One instance as it was at one moment."""

    instance: schemas.Instance
    clock: ClockReading


@dataclass(frozen=True, slots=True)
class UnreadableInstance:
    """An element of a list that is no usable instance.

    Attributes:
        instance_id: Made up from the one received (``made_up_id``); None without one.
        received_id: The id as received; it may hold anything and be of any length.
        name, status: As far as they could be read.
        problem: What of it is wrong: a member, or ``document`` for all of it.
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
        instances: Readable ones that no earlier page held.
        unreadable: The others, in the order of the answer.
        total_count: How many match in all, as upstream says with this page.
        offset: Index of the first record of this page.
        records: How many records the answer held, repeated ones included.
        clock: When the page was received.
        unchanged: Ids of those that the caller said need not be read.
        is_last: Whether the listing ends here.
    """

    instances: list[schemas.Instance]
    unreadable: list[UnreadableInstance]
    total_count: int
    offset: int
    records: int
    clock: ClockReading
    unchanged: list[str] = field(default_factory=list)
    is_last: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether all ids of this page were on earlier pages."""
        named = (bad.instance_id for bad in self.unreadable)
        return not (self.instances or self.unchanged or any(named))


def note_arrival(response: httpx.Response) -> None:
    """Store when the head of an answer arrived (an httpx hook)."""
    response.extensions[_RECEIVED_AT_KEY] = time.time_ns() // 1_000_000


def read_observation(response: httpx.Response) -> Observation:
    """Return the instance of a successful answer.

    Raises:
        AmbiguousError: It holds no usable instance.
    """
    document = responses.read_document(response)
    try:
        instance = schemas.Instance.model_validate(document)
    except ValidationError:
        raise responses.unreadable(response) from None
    return Observation(instance, _clock_reading(response))


def read_page(
    response: httpx.Response,
    *,
    offset: int,
    seen: set[str],
    unchanged: Familiar | None = None,
) -> InstancePage:
    """Return one page of a listing.

    Args:
        response: Successful and already read.
        offset: Index of its first record.
        seen: Ids of earlier pages; those of this page are added.
        unchanged: Asked which records need not be read.

    Raises:
        AmbiguousError: It is no list, or does not say how many match in all.
    """
    listing = schemas.InstanceList.model_validate(responses.read_document(response))
    total = listing.total_count
    records = listing.instances
    if total is None or total < 0 or (records is None and total > 0):
        raise responses.unreadable(response)
    records = records or []
    clock = _clock_reading(response)
    page = InstancePage([], [], total, offset, len(records), clock)
    known = unchanged(records) if unchanged else frozenset()
    for record in records:
        if (name := _unchanged_id(record, known)) is not None:
            if name not in seen:
                seen.add(name)
                page.unchanged.append(name)
            continue
        try:
            instance = schemas.Instance.model_validate(record)
        except ValidationError:
            bad = _unreadable(record)
            if bad.instance_id not in seen:
                page.unreadable.append(bad)
            if bad.instance_id:
                seen.add(bad.instance_id)
            continue
        if instance.id not in seen:
            seen.add(instance.id)
            page.instances.append(instance)
    return page


def made_up_id(received: str) -> str:
    """Return a usable, stable id in place of a long or unprintable one."""
    digest = hashlib.sha256(received.encode("utf-8", "surrogatepass"))
    return f"{MADE_UP_ID}{digest.hexdigest()[:32]}"


def upstream_skew_ms(
    instances: list[schemas.Instance], clock: ClockReading
) -> int | None:
    """Return how far the cloud's clock is ahead of ours, in milliseconds.

    ``stop_timestamp - remain_time * 1000`` is the cloud's own now, up to a second too
    early since ``remain_time`` is rounded up: so the greatest of several estimates is
    the closest, once those that stand out are left aside.

    Args:
        instances: Of the answer that ``clock`` belongs to.
        clock: When that answer came.

    Returns:
        From the running instances, else from the ``Date`` header, else None. A document
        that is far from that header tells no clock: its stop cannot be right.
    """
    date_ms = clock.date_ms
    estimates = sorted(
        stop.stop_timestamp - stop.remain_time * 1_000
        for instance in instances
        if instance.spec is not None
        and (stop := instance.spec.auto_stop) is not None
        and stop.stop_timestamp is not None
        and stop.remain_time is not None
        and stop.remain_time > 0
        and (
            date_ms is None
            or abs(stop.stop_timestamp - stop.remain_time * 1_000 - date_ms)
            <= FURTHEST_APART_MS
        )
    )
    if estimates:
        middle = estimates[(len(estimates) - 1) // 2]
        closest = max(e for e in estimates if e <= middle + 1_000)
        return closest - clock.received_at_ms
    return None if clock.date_ms is None else clock.date_ms - clock.received_at_ms


def _clock_reading(response: httpx.Response) -> ClockReading:
    return ClockReading(
        received_at_ms=response.extensions[_RECEIVED_AT_KEY],
        date_ms=responses.http_date_ms(response.headers.get("Date", "")),
    )


def _unchanged_id(record: json_reader.Json, known: AbstractSet[str]) -> str | None:
    name = record.get("id") if isinstance(record, dict) else None
    return name if isinstance(name, str) and name in known else None


def _unreadable(record: json_reader.Json) -> UnreadableInstance:
    if not isinstance(record, dict):
        return UnreadableInstance(None, None, None, None, "document")
    instance_id, name, status = (
        value if isinstance(value := record.get(key), str) and value else None
        for key in ("id", "name", "status")
    )
    return UnreadableInstance(
        made_up_id(instance_id) if instance_id else None,
        *(instance_id, name, status, "id"),
    )
