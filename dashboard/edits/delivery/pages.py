"""Read many instances of a cloud by pages of its listing, before and after a write.

The oldest instance comes first on these pages, so that a new one moves none of the
others. See ``docs/decisions/0034-groups.md``.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from dashboard.instances import upstream
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.results import InstancePage, Observation

from . import late_writes
from .due_queues import Member, ServedGeneration
from .queue import Delivery

MIN_ON_PAGE = 3
"""Instances for which a page is read; fewer are read one by one."""

PAGE_MARGIN = 3
"""How far a page begins before the expected place of its first instance."""


SMALL_SHARE = 4
"""If a last page would show less than a quarter of what those before it show, its
instances wait for the next group."""


class Pages:
    """The pages of a listing that show the members of a group.

    Attributes:
        client: Of the cloud.
        read_at: When the first page was asked for, by the monotonic clock.
    """

    def __init__(self, served: ServedGeneration, cloud: Cloud) -> None:
        self.client = upstream.client_for(cloud.name)
        self._api = self.client.api(served.generation)
        present = Instance.objects.filter(
            cloud=cloud, generation=served.generation, missing_since=None
        ).order_by("created_at", "instance_id")
        ids = present.values_list("instance_id", flat=True)
        self._places = {instance_id: place for place, instance_id in enumerate(ids)}
        self.read_at = 0.0
        self._seen: dict[str, Observation] = {}

    def split(self, members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
        """Return the members to deliver now, and a few that would need one more page.

        Args:
            members: By age, as ``due_queues.take_group`` returns them.
        """
        places = sorted(self._places.get(one.instance_id, 0) for one in members)
        start = end = 0
        while end < len(places):
            start, end = end, bisect_left(places, self._page_end(places[end]))
        if (end - start) * SMALL_SHARE > start:
            start = end
        return list(members[:start]), list(members[start:])

    def _page_end(self, place: int) -> int:
        """Return the place behind a page that begins for the instance at this place."""
        return place + self._api.page_size - 2 * PAGE_MARGIN

    def read(self, members: Iterable[Member]) -> None:
        """Read the pages on which most members are expected.

        Raises:
            ModelArtsError: A page could not be read.
        """
        ids = [member.instance_id for member in members]
        self.read_at = time.monotonic()
        self._seen = {}
        for page in self.pages_with(ids):
            self._seen |= observations(page)

    def pages_with(self, ids: Iterable[str]) -> Iterator[InstancePage]:
        """Read the pages that are expected to show at least some of the instances.

        The place of an instance is a guess: it only decides what is read. Only these
        instances are parsed.

        Raises:
            ModelArtsError: A page could not be read.
        """
        wanted = frozenset(ids)
        places = sorted(self._places[one] for one in wanted if one in self._places)
        while places:
            offset = max(0, places[0] - PAGE_MARGIN)
            end = offset + self._api.page_size
            if bisect_left(places, end - PAGE_MARGIN) >= MIN_ON_PAGE:
                page = self._api.list_by_age(offset, wanted)
                yield page
                # No document says how many records a page may have at most.
                end = offset + page.records
                if end >= page.total_count:
                    return
            places = places[max(1, bisect_left(places, end - PAGE_MARGIN)) :]

    def find(self, member: Member, delivery: Delivery) -> Observation | None:
        """Return what a page says about a member, if nothing has happened since."""
        is_untouched = (member.next_seq, member.number + 1) == (
            delivery.next_seq,
            delivery.number,
        )
        found = self._seen.get(member.instance_id)
        return (
            found if found and is_untouched and is_complete(found, delivery) else None
        )


def observations(page: InstancePage) -> dict[str, Observation]:
    """Return the readable instances of a page by id."""
    return {wire.id: Observation(wire, page.clock) for wire in page.instances}


def is_complete(observation: Observation, delivery: Delivery) -> bool:
    """Whether a document of a listing says all that its edits are compared with."""
    values = late_writes.cloud_values(observation.instance)
    names = {name for edit in delivery.edits for name in edit.patch}
    if any(name.startswith("auto_stop") for name in names):
        names |= {name for name in values if name.startswith("auto_stop")}
    is_partial = observation.instance.state().is_partial
    return not is_partial and all(values.get(name) is not None for name in names)
