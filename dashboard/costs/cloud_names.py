"""What becomes of runs, sums, prices and budgets when a cloud is renamed."""

from itertools import batched

from django.db.models import Exists, OuterRef
from django.utils import timezone

from dashboard.instances import gaps
from dashboard.instances.models import Cloud

from . import allocations
from .models import Allocation, Budget, Gap, Price, PriceProposal, RollUp, Run


def rename(was: str, name: str, *, stayed: bool) -> None:
    """Let prices and budgets name a cloud by its new name.

    Where there is a price under the new name from the same day, both stay.

    Args:
        stayed: Whether instances keep the former name, and with it its prices.
    """
    taken = Price.objects.filter(
        cloud=name, flavor=OuterRef("flavor"), valid_from=OuterRef("valid_from")
    )
    prices = Price.objects.filter(~Exists(taken), cloud=was)
    if stayed:
        copies = list(prices)
        for price in copies:
            price.pk, price.cloud = None, name
        Price.objects.bulk_create(copies)
    else:
        prices.update(cloud=name)
    # Another can be fetched under the new name.
    PriceProposal.objects.filter(cloud=was).delete()
    budgets = Budget.objects.filter(kind=Budget.Kind.CLOUD, value=was)
    budgets.update(value=name)


def move_usage(cloud: Cloud, into: Cloud) -> None:
    """Let the runs of instances that were moved count for their new cloud.

    The sums of both clouds are computed again. The time since the former one was read
    is a gap, since the instances have not been seen in it.
    """
    # First, since it waits for sums that are being stored.
    RollUp.objects.filter(cloud__in=[cloud, into]).delete()
    moved = Run.objects.filter(allocation__cloud=cloud, instance__cloud=into)
    former = list(
        Allocation.objects.filter(Exists(moved.filter(allocation=OuterRef("pk"))))
    )
    for part in batched(former, 500, strict=False):
        for allocation in part:
            allocation.cloud = into
        for pk, new in allocations.of(part).items():
            moved.filter(allocation=pk).update(allocation=new)
    staying = Run.objects.filter(allocation=OuterRef("pk"))
    Allocation.objects.filter(~Exists(staying), cloud=cloud).delete()
    past = Gap.objects.filter(cloud=cloud)
    copies = [Gap(cloud=into, since=gap.since, until=gap.until) for gap in past]
    until = cloud.retired_at or timezone.now()
    if cloud.read_at and gaps.is_gap(cloud.read_at, until):
        copies.append(Gap(cloud=into, since=cloud.read_at, until=until))
    Gap.objects.bulk_create(copies)
    if not cloud.instances.exists():
        past.delete()
