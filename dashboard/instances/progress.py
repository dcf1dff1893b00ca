"""How far the listing of a cloud has come, within one task and from one to the next."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.utils import timezone

from dashboard.modelarts.client import InstancePage

from .models import Cloud, PartialListing

WORTH_RESUMING = timedelta(seconds=30)
"""A shorter listing that failed begins again, so that its first pages stay fresh."""

TOO_OLD = timedelta(minutes=10)


@dataclass
class Progress:
    """A listing under way.

    Attributes:
        totals: ``total_count`` of each page that differed from the one before.
        seen: Ids so far.
        anonymous: Records so far that had no id.
        is_complete: Whether the last page was read.
        has_advanced: Whether this process read a page of it.
    """

    cloud: Cloud
    begun_at: datetime
    next_offset: int = 0
    totals: list[int] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    anonymous: int = 0
    is_complete: bool = False
    has_advanced: bool = False

    @classmethod
    def of(cls, cloud: Cloud) -> Self:
        """Where the last task left off; a new listing where there is nothing to resume.

        A saved one from the future was saved before the clock was set back.
        """
        now = timezone.now()
        saved = PartialListing.objects.filter(cloud=cloud).first()
        if saved is None or not now - TOO_OLD < saved.saved_at <= now + TOO_OLD:
            return cls(cloud, begun_at=now)
        return cls(
            cloud,
            saved.begun_at,
            saved.next_offset,
            saved.totals,
            set(saved.seen),
            saved.anonymous,
        )

    @property
    def listed(self) -> int:
        """How many instances it held so far."""
        return len(self.seen) + self.anonymous

    @property
    def counted(self) -> int:
        """How many there are, as the cloud said last."""
        return self.totals[-1] if self.totals else 0

    @property
    def adds_up(self) -> bool:
        """Whether it held every instance, as far as the cloud's own count tells.

        The set may change between pages; then the next listing decides what is gone. An
        instance without an id may be any of those that seem to be missing.
        """
        return self.is_complete and self.totals == [len(self.seen)]

    def add(self, page: InstancePage) -> None:
        """Count a page whose instances are written."""
        if self.totals[-1:] != [page.total_count]:
            self.totals.append(page.total_count)
        self.seen |= {wire.id for wire in page.instances}
        self.seen.update(page.unchanged)
        self.seen |= {bad.instance_id for bad in page.unreadable if bad.instance_id}
        self.anonymous += sum(bad.instance_id is None for bad in page.unreadable)
        self.next_offset = page.offset + page.records
        self.is_complete = page.is_last
        self.has_advanced = True

    def keep(self, *, failed: bool) -> None:
        """Save it for the next task, or forget it where that shall begin anew.

        Args:
            failed: Whether it ended by an error. Where no page could be read before
                that, the place itself may be at fault.
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
                "next_offset": self.next_offset,
                "totals": self.totals,
                "seen": sorted(self.seen),
                "anonymous": self.anonymous,
            },
        )
