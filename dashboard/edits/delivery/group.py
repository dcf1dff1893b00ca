"""Deliver the edits of many instances of a cloud: list, write each, list again.

One page of a listing reads up to a hundred instances, so that nearly all requests are
writes. Whatever a page does not say, and whatever goes another way than usual, is read
and delivered instance by instance (``send``). See ``docs/decisions/0034-groups.md``.
"""

import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import batched
from typing import NamedTuple

import structlog
from django.conf import settings
from pydantic import ValidationError

from dashboard.edits import dispatch, merge
from dashboard.edits.models import Edit
from dashboard.instances import upstream
from dashboard.instances.models import Cloud
from dashboard.modelarts.errors import (
    ModelArtsError,
    StateRefusedError,
    ThrottledError,
    UnclearError,
)
from dashboard.modelarts.results import Observation

from . import (
    authorization,
    circuit_breaker,
    due_queues,
    late_writes,
    queue,
    record,
    send,
)
from .authorization import Announcement
from .calls import Request
from .due_queues import Member, ServedGeneration
from .pages import Pages, is_complete, observations
from .queue import Delivery
from .record import Report, Result
from .send import Change
from .writer import NotAuthorizedError, Writer, was_prompt_reset

log = structlog.get_logger(__name__)

MIN_SECONDS, MAX_SECONDS = 0.6, 7.0
"""How long the writes of a group take at the cloud's rate. In less time the next group
is not ready."""

PAGE_OF_MEMBERS = 120
"""About as many as one page of 200 shows of a fleet of which half is due. Larger groups
begin and end later: nothing is sent while the first pages are read, and the last."""

MAX_MEMBERS = 300

CLAIMED_AT_ONCE = 100
"""Queues in one transaction, even if the cloud takes more requests in a second."""

SENT_AHEAD_SECONDS = 0.2
"""So many seconds of requests are still to be sent when the next ones are authorized,
so that the cloud is not idle meanwhile."""

RECORDED_AT_ONCE = 100
"""Results in one transaction."""

CLAIM_SECONDS = 9.0
"""Age of a value, as a page has shown it, after which no more queues are claimed."""

SEND_SECONDS = 10.0
"""Age of a value after which it is not sent for any more. A request may wait another
``upstream.MAX_WAIT_SECONDS`` for its turn, so it leaves within 15 s."""

AUTHORIZED_SECONDS = 2.0
"""After this long a request is no longer sent on its authorization."""

READ_SECONDS = 14.0
"""After this long a group begins no call any more: one may take 11 s, and a task 25."""

MAX_SENDERS, EXPECTED_LATENCY_SECONDS = 8, 0.2

State = Edit.State


def drain(served: ServedGeneration) -> None:
    """Deliver one group; the next sweep looks for another."""
    members = due_queues.take_group(served, _size())
    if not members:
        return
    cloud = Cloud.objects.get(pk=served.cloud_pk)
    try:
        pages = Pages(served, cloud)
        members, others = pages.split(members)
        due_queues.give_back(others)
        pages.read(members)
    except ModelArtsError as error:
        # One by one they show whether the cloud is away, or only its listing.
        log.warning("no group without a listing", reason=error.sentence)
        number = max(due_queues.MIN_SWEEP_SIZE, round(settings.CURFEW.upstream_rate))
        for member in members[:number]:
            dispatch.enqueue(dispatch.DRAIN, member.pk)
        return
    _Group(served, pages).deliver(members)
    dispatch.enqueue(dispatch.SWEEP, expires_seconds=1)


def _size() -> int:
    rate = settings.CURFEW.upstream_rate
    number = max(min(rate * MAX_SECONDS, PAGE_OF_MEMBERS), rate * MIN_SECONDS)
    return max(due_queues.MIN_GROUP, min(MAX_MEMBERS, round(number)))


@dataclass
class _Write:
    """One request of a group.

    Attributes:
        before: The cloud's values before it.
        authorized_at: By the monotonic clock.
        answer: The cloud's answer; None while there is none.
        error: Why there is none.
    """

    delivery: Delivery
    writer: Writer
    report: Report
    change: Change
    request: Request
    before: dict[str, object] = field(default_factory=dict)
    authorized_at: float = 0.0
    answer: Observation | None = None
    error: ModelArtsError | None = None

    def confirms(self, observation: Observation) -> bool:
        """Whether what a listing shows is the result of this request.

        The page was asked for after the answer. By the cloud's clock it must not be
        older, nor may the document be.
        """
        answer = self.answer
        if answer is None or not is_complete(observation, self.delivery):
            return False
        told, shown = answer.clock.date_ms, observation.clock.date_ms
        if told is None or shown is None or shown < told:
            return False
        changed = answer.instance.state().updated_ms
        seen = observation.instance.state().updated_ms
        if changed is not None and seen is not None and seen < changed:
            return False
        after = late_writes.cloud_values(observation.instance)
        return merge.is_applied(self.change.send, after) and not was_prompt_reset(
            self.change.send, self.before, after
        )


class _Planned(NamedTuple):
    """A request that waits for its authorization."""

    write: _Write
    announcement: Announcement


class _Group:
    """The delivery of one group."""

    def __init__(self, served: ServedGeneration, pages: Pages) -> None:
        self._served, self._pages = served, pages
        self._began = time.monotonic()
        self._results: list[Result] = []
        self._written: list[_Write] = []
        self._under_way: list[tuple[_Write, Future[None]]] = []
        # No more requests at a time than the rate needs.
        needed = math.ceil(settings.CURFEW.upstream_rate * EXPECTED_LATENCY_SECONDS)
        self._series = upstream.CallSeries(pages.client.config.name)
        self._senders = ThreadPoolExecutor(
            min(MAX_SENDERS, needed), initializer=self._series.join
        )
        self._is_over = False

    def deliver(self, members: Sequence[Member]) -> None:
        """Deliver as many members as there is time for; the others are not claimed."""
        try:
            with self._series, self._senders:
                try:
                    left = self._send_all(list(members))
                    if not self._is_over:
                        # Another worker begins the next group meanwhile.
                        due_queues.give_back(left)
                        dispatch.enqueue(
                            dispatch.DRAIN_GROUP, *self._served, expires_seconds=1
                        )
                finally:
                    self._finish()
            self._confirm()
            for write in self._written:
                self._read_back(write)
        finally:
            # What is known is recorded, even if an instance has caused a fault.
            self._record()

    def _send_all(self, left: list[Member]) -> list[Member]:
        """Claim, compare and send members, a second of requests at a time.

        While some are sent, the next ones are claimed and compared.

        Returns:
            Those that were not claimed.
        """
        second = max(1, round(settings.CURFEW.upstream_rate))
        size = most = min(CLAIMED_AT_ONCE, second)
        while left and not self._is_over and self._age() < CLAIM_SECONDS:
            began = time.monotonic()
            part, left = left[:size], left[size:]
            due_queues.keep_taken(left)
            planned = self._claim_and_plan(part)
            self._wait_for_answers(int(second * SENT_AHEAD_SECONDS))
            self._authorize_and_send(planned)
            # No more than a second of requests, as the last ones went.
            done = len(part) / max(time.monotonic() - began, 0.001)
            size = max(1, min(most, round(done)))
        return left

    def _age(self) -> float:
        """Return for how many seconds the values of the pages are known."""
        return time.monotonic() - self._pages.read_at

    def _claim_and_plan(self, members: Sequence[Member]) -> list[_Planned]:
        by_pk = {member.pk: member for member in members}
        planned: list[_Planned] = []
        for delivery in queue.claim_all(by_pk):
            found = self._pages.find(by_pk[delivery.instance.pk], delivery)
            if one := self._plan(delivery, found):
                planned.append(one)
        return planned

    def _authorize_and_send(self, planned: Sequence[_Planned]) -> None:
        """Hand authorized requests to the senders."""
        authorized_at = time.monotonic()
        announcements = [one.announcement for one in planned]
        allowed = (
            [] if self._is_over else authorization.authorize_requests(announcements)
        )
        permitted = {announcement.delivery.instance.pk for announcement in allowed}
        for one in planned:
            delivery = one.write.delivery
            if delivery.instance.pk in permitted:
                one.write.authorized_at = authorized_at
                sent = self._senders.submit(self._send_one, one.write)
                self._under_way.append((one.write, sent))
            else:
                self._report(delivery, send.not_authorized(delivery))

    def _wait_for_answers(self, others: int) -> None:
        """Wait until all but so many of the requests are answered."""
        ended = len(self._under_way) - others
        for _, sent in self._under_way[: max(0, ended)]:
            sent.result()

    def _finish(self) -> None:
        """Wait for all answers, and sort the requests by them."""
        self._wait_for_answers(0)
        for write, _ in self._under_way:
            self._sort(write)
        self._under_way = []

    def _plan(self, delivery: Delivery, found: Observation | None) -> _Planned | None:
        """Compare a member with the cloud; return its request, if it needs one."""
        kinds = {edit.kind for edit in delivery.edits}
        if kinds != {Edit.Kind.UPDATE} or delivery.watch.unconfirmed:
            self._report_alone(delivery)
            return None
        if not self._may_call():
            self._report(delivery, send.not_authorized(delivery))
            return None
        try:
            writer = Writer(delivery, self._pages.client)
            if found is None:
                found = writer.read()
            else:
                # The checks of other people's changes go by this moment.
                sent_at = found.clock.sent_at_ms / 1e3
                delivery.claimed_at = datetime.fromtimestamp(sent_at, UTC)
        except ModelArtsError as error:
            self._note(error)
            self._report(delivery, send.from_error(delivery, error))
            return None
        report = Report(observation=found)
        change = Change.of(delivery, report)
        if not change.send:
            change.conclude(report)
            self._report(delivery, report)
            return None
        try:
            requests = writer.requests(change.send, report.current)
        except ValidationError:
            change.refuse_values(report)
            self._report(delivery, report)
            return None
        except UnclearError as error:
            self._report(delivery, send.from_error(delivery, error))
            return None
        if len(requests) != 1:
            self._report_alone(delivery)
            return None
        before = report.current
        write = _Write(delivery, writer, report, change, requests[0], before)
        return _Planned(write, Announcement(delivery, requests[0].body, before))

    def _report_alone(self, delivery: Delivery) -> None:
        """Deliver a member by itself; or hand it back, once the group is over."""
        if self._may_call():
            self._report(delivery, send.deliver(delivery))
        else:
            self._report(delivery, send.not_authorized(delivery))

    def _may_call(self) -> bool:
        return not self._is_over and time.monotonic() - self._began < READ_SECONDS

    def _send_one(self, write: _Write) -> None:
        is_late = time.monotonic() - write.authorized_at > AUTHORIZED_SECONDS
        if self._is_over or is_late or self._age() > SEND_SECONDS:
            return
        try:
            answer = write.request.send()
        except ModelArtsError as error:
            write.error = error
            self._note(error)
        else:
            write.answer = answer if isinstance(answer, Observation) else None
            write.delivery.awaiting_read_back = True

    def _note(self, error: ModelArtsError) -> None:
        """End the group after an error that concerns the whole cloud."""
        if circuit_breaker.is_refused(error) or isinstance(error, ThrottledError):
            self._is_over = True

    def _sort(self, write: _Write) -> None:
        delivery, error = write.delivery, write.error
        if delivery.awaiting_read_back:
            self._written.append(write)
        elif error is None:
            # It never left.
            self._report(delivery, send.not_authorized(delivery))
        elif not (
            isinstance(error, StateRefusedError)
            and write.change.wait_for_stop(delivery, write.report, error)
        ):
            self._report(delivery, send.from_error(delivery, error))
        else:
            self._report(delivery, write.report)

    def _confirm(self) -> None:
        """Read back by listing. A page can only confirm; the others are read alone."""
        ids = [write.delivery.instance.instance_id for write in self._written]
        seen: dict[str, Observation] = {}
        pages = self._pages.pages_with(ids)
        try:
            while self._may_call() and (page := next(pages, None)):
                seen |= observations(page)
        except ModelArtsError as error:
            self._note(error)
        left = []
        for write in self._written:
            found = seen.get(write.delivery.instance.instance_id)
            if found is not None and write.confirms(found):
                self._conclude(write, found)
            else:
                left.append(write)
        self._written = left

    def _read_back(self, write: _Write) -> None:
        """Read back a member alone, and restore its console reminder if it was reset.

        Without time or a cloud that answers, the next delivery begins with that.
        """
        delivery = write.delivery
        if not self._may_call():
            report = send.not_authorized(delivery)
            report.ambiguous = True
            self._report(delivery, report)
            return
        try:
            found = write.writer.read()
            delivery.awaiting_read_back = False
            found = write.writer.keep_prompt(write.change.send, write.before, found)
        except NotAuthorizedError:
            self._report(delivery, send.not_authorized(delivery))
        except ModelArtsError as error:
            self._note(error)
            self._report(delivery, send.from_error(delivery, error))
        else:
            self._conclude(write, found)

    def _conclude(self, write: _Write, found: Observation) -> None:
        write.delivery.awaiting_read_back = False
        write.report.observation = found
        write.change.conclude(write.report)
        self._report(write.delivery, write.report)

    def _report(self, delivery: Delivery, report: Report) -> None:
        self._results.append(Result(delivery, report))

    def _record(self) -> None:
        for results in batched(self._results, RECORDED_AT_ONCE, strict=False):
            reports = [report for _, report in results]
            recorded = send.insist(partial(record.record_results, results), reports)
            for delivery in recorded:
                if delivery.has_more:
                    dispatch.enqueue(dispatch.DRAIN, delivery.instance.pk)
        log.info("group delivered", members=len(self._results))
