"""The progress of listing a cloud, which may take more than one task.

A cloud has a listing for each generation of the API that it serves; they are read one
after the other.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.utils import timezone

from dashboard.modelarts.generations import Generation
from dashboard.modelarts.results import InstancePage

from .models import Cloud, PartialListing

ORDER = (Generation.NOTEBOOKS, Generation.DEMANAGER)
"""An instance in both listings is read from the first."""

WORTH_RESUMING = timedelta(seconds=30)
"""After a failure, a shorter listing starts again, so that no page of it is old."""

TOO_OLD = timedelta(minutes=10)


@dataclass
class Progress:
    """The listings of a cloud, in progress.

    Attributes:
        generation: Whose listing is under way.
        totals: By generation whose listing has begun: each ``total_count`` that
            differed from that of the page before.
        seen: By generation: ids so far.
        anonymous: Number of records without an id so far.
        is_complete: Whether the last page of each listing was read.
        has_advanced: Whether this process has read a page.
        scopes: By generation: whose instances the listing contains, or contained the
            last time.
    """

    cloud: Cloud
    begun_at: datetime
    generation: Generation = ORDER[0]
    next_offset: int = 0
    totals: dict[str, list[int]] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    anonymous: int = 0
    is_complete: bool = False
    has_advanced: bool = False
    scopes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cloud: Cloud) -> Self:
        """Return the progress that the last task saved, or else a new listing.

        A listing that seems to begin in the future is ignored: it was saved before the
        clock was set back. So is one that was saved by a release with one generation.
        """
        now = timezone.now()
        scopes = {Generation.NOTEBOOKS.value: cloud.notebooks_scope}
        saved = PartialListing.objects.filter(cloud=cloud).first()
        if (
            saved is None
            or not now - TOO_OLD < saved.saved_at <= now + TOO_OLD
            or not isinstance(saved.seen, dict)
        ):
            return cls(cloud, begun_at=now, scopes=scopes)
        return cls(
            cloud,
            saved.begun_at,
            Generation(saved.generation),
            saved.next_offset,
            saved.totals,
            {generation: set(ids) for generation, ids in saved.seen.items()},
            saved.anonymous,
            scopes=scopes,
        )

    @property
    def remaining(self) -> tuple[Generation, ...]:
        """The generation whose listing is under way, and those after it."""
        return ORDER[ORDER.index(self.generation) :]

    @property
    def all_seen(self) -> set[str]:
        return set().union(*self.seen.values())

    @property
    def partly_listed(self) -> list[str]:
        """Generations whose listing contains only the account's own instances."""
        return [key for key in self.totals if self.scopes.get(key) == Cloud.Scope.OWN]

    @property
    def notebooks_scope(self) -> str:
        """Whose notebooks the listing contains; empty without notebooks."""
        key = Generation.NOTEBOOKS
        return self.scopes.get(key, "") if key in self.totals else ""

    @property
    def listed(self) -> int:
        return len(self.all_seen) + self.anonymous

    @property
    def counted(self) -> int:
        """Number of instances as the cloud last reported it, one in both once."""
        twice = sum(map(len, self.seen.values())) - len(self.all_seen)
        return sum(totals[-1] for totals in self.totals.values() if totals) - twice

    @property
    def adds_up(self) -> bool:
        """Whether the listings contained every instance, by the cloud's own count.

        If the count changed between pages, the next listing decides what is missing. A
        record without an id could be any instance that seems to be missing.
        """
        return (
            self.is_complete
            and bool(self.totals)
            and all(
                totals == [len(self.seen[generation])]
                for generation, totals in self.totals.items()
            )
        )

    def begin(self, generation: Generation) -> None:
        """Begin the listing of a generation, unless it is the one under way."""
        if generation != self.generation or generation not in self.totals:
            self.generation, self.next_offset = generation, 0
            self.totals[generation], self.seen[generation] = [], set()

    def drop(self, generation: Generation) -> None:
        """Forget a listing that the cloud does not serve."""
        del self.totals[generation], self.seen[generation]

    def is_listed_before(self, instance_id: str | None) -> bool:
        """Return whether an instance was in the listing of another generation."""
        return any(
            instance_id in ids
            for generation, ids in self.seen.items()
            if generation != self.generation
        )

    def add(self, page: InstancePage) -> None:
        """Count a page after its instances were written."""
        totals, seen = self.totals[self.generation], self.seen[self.generation]
        if totals[-1:] != [page.total_count]:
            totals.append(page.total_count)
        seen |= {wire.id for wire in page.instances}
        seen.update(page.unchanged)
        seen |= {bad.instance_id for bad in page.unreadable if bad.instance_id}
        self.anonymous += sum(bad.instance_id is None for bad in page.unreadable)
        self.next_offset = page.offset + page.records
        self.has_advanced = True
        self.scopes[self.generation] = page.scope

    def keep(self, *, failed: bool) -> None:
        """Save the progress for the next task, or delete it to start again.

        Args:
            failed: Whether this task ended with an error. If it had read no page, the
                error may come from the place where it started.
        """
        now = timezone.now()
        lasted = now - self.begun_at
        resumes = not failed or lasted >= WORTH_RESUMING
        if self.is_complete or not self.has_advanced or not resumes:
            PartialListing.objects.filter(cloud=self.cloud).delete()
            return
        PartialListing.objects.update_or_create(
            cloud=self.cloud,
            defaults={
                "begun_at": self.begun_at,
                "saved_at": now,
                "generation": self.generation,
                "next_offset": self.next_offset,
                "totals": self.totals,
                "seen": {key: sorted(ids) for key, ids in self.seen.items()},
                "anonymous": self.anonymous,
            },
        )
