"""What instances cost an hour today; ``dashboard.costs`` provides the prices."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from django.db.models import Case, Count, OrderBy, Q, Value, When

from dashboard.web.provided import Provided

from .models import Instance

if TYPE_CHECKING:
    from django.db.models import QuerySet

    Pairs = dict[int, list[str]]
    """Flavors by the key of their cloud."""


class HourlyPrice(Protocol):
    """The price of an hour.

    Attributes:
        running: While an instance runs.
        stopped: While it does not; None if unknown.
        currency: ISO 4217.
    """

    @property
    def running(self) -> Decimal: ...
    @property
    def stopped(self) -> Decimal | None: ...
    @property
    def currency(self) -> str: ...


class Prices(Protocol):
    """The prices of a day."""

    def of(self, cloud: str, flavor: str) -> HourlyPrice | None:
        """Return the price of a flavor in a cloud; None if it is unknown."""

    @property
    def signature(self) -> Sequence[object]:
        """What changes with them, the same in all processes."""


SORT = "price_per_hour"
"""The sort key of ``by_price`` in the list's URL."""

current: Provided[Callable[[], Prices]] = Provided()
"""Returns the prices of today, a minute old at most: seldom a query."""


class Ranked(NamedTuple):
    """Instances that are ordered by price, or those near some places in this order.

    Attributes:
        order: What comes first in the order; empty if their prices are equal.
        skipped: How many instances were left out before them.
    """

    instances: "QuerySet[Instance]"
    order: list[OrderBy]
    skipped: int


def by_price(*, descending: bool) -> list[OrderBy]:
    """Return an order by the price of an hour while running; unknown prices come last.

    Prices in different currencies are not compared: the currencies follow each other by
    their codes. Reads the pairs of cloud and flavor in the fleet, one query.
    """
    fleet = Instance.objects.order_by().values_list("cloud", "cloud__name", "flavor")
    ranks = _ranks(fleet.distinct(), descending=descending)
    return _by_rank(ranks[:-1])


def near(
    instances: "QuerySet[Instance]", first: int, end: int, *, descending: bool
) -> Ranked:
    """Leave out instances whose price tells that they are not at these places.

    So the database need not sort the whole fleet for a page of it. One query.

    Args:
        instances: Not ordered.
        first: The first place in ``by_price``, from 0.
        end: Behind the last one.
        descending: The direction of the order.
    """
    pairs = instances.order_by().values("cloud", "cloud__name", "flavor")
    counted = list(
        pairs.annotate(number=Count("pk")).values_list(
            "cloud", "cloud__name", "flavor", "number"
        )
    )
    numbers = {(cloud, flavor): number for cloud, _name, flavor, number in counted}
    ranks = _ranks((row[:3] for row in counted), descending=descending)
    kept: list[int] = []
    skipped = passed = 0
    for rank, flavors in enumerate(ranks):
        number = sum(
            numbers[cloud, flavor] for cloud in flavors for flavor in flavors[cloud]
        )
        if passed + number <= first:
            skipped += number
        elif passed < end:
            kept.append(rank)
        passed += number
    order = _by_rank([ranks[rank] for rank in kept[:-1]])
    if len(kept) < len(ranks):
        is_unknown = kept == [len(ranks) - 1]
        if is_unknown and skipped < passed / 2:
            # Most have no price: then the index by name serves.
            instances = instances.exclude(_is_one_of(*ranks[:-1]))
        else:
            found = [ranks[rank] for rank in kept]
            instances = instances.filter(_is_one_of(*found))
            if len(found) == 1 and sum(map(len, found[0].values())) > 1:
                # Or SQLite would look for them through its index by name.
                order = _by_rank(found)
    return Ranked(instances, order, skipped)


def _ranks(
    pairs: "Iterable[tuple[int, str, str]]", *, descending: bool
) -> "list[Pairs]":
    """Return which flavors come after each other; the last ones have no price."""
    prices = current.get()()
    priced: dict[tuple[str, Decimal], Pairs] = defaultdict(lambda: defaultdict(list))
    unknown: Pairs = defaultdict(list)
    for cloud_pk, cloud, flavor in pairs:
        flavors = unknown
        if price := prices.of(cloud, flavor):
            amount = -price.running if descending else price.running
            flavors = priced[price.currency, amount]
        flavors[cloud_pk].append(flavor)
    return [*(priced[key] for key in sorted(priced)), unknown]


def _by_rank(ranks: "Iterable[Pairs]") -> list[OrderBy]:
    """Order by the first rank that has the flavor; others come last."""
    cases = [
        When(_is_one_of(flavors), then=Value(rank))
        for rank, flavors in enumerate(ranks)
    ]
    return [OrderBy(Case(*cases, default=Value(len(cases))))] if cases else []


def _is_one_of(*ranks: "Pairs") -> Q:
    merged: Pairs = defaultdict(list)
    for flavors in ranks:
        for cloud, names in flavors.items():
            merged[cloud] += names
    conditions = [Q(cloud=cloud, flavor__in=names) for cloud, names in merged.items()]
    return Q(*conditions, _connector=Q.OR)
