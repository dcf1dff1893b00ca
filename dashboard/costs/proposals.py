"""Prices as the billing service of a cloud names them, and what they would change."""

import hashlib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from dashboard.instances import upstream
from dashboard.instances.messages import message_of
from dashboard.modelarts.errors import ModelArtsError
from dashboard.modelarts.ratings import Rating
from dashboard.web.stored_messages import Message

from . import messages
from .amounts import MOST_DECIMALS
from .models import Price, PriceProposal
from .price_list import PriceList
from .price_overview import fleet_flavors, today

log = structlog.get_logger(__name__)

State = PriceProposal.State

_SMALLEST = Decimal(1).scaleb(-MOST_DECIMALS)
_TOO_MUCH = Decimal(10) ** 8
"""Such an amount is no price of an hour, and has no room in its column."""


class Line(NamedTuple):
    """What the proposal says about a flavor.

    Attributes:
        instances: Number of present instances.
        old: Its price on the day; None without one.
        new: The proposed price, unsaved; None if the service names none.
        later: The next price of this cloud and flavor, which takes its place.
        is_fixed: Whether a price from this past day exists, which is not replaced.
    """

    flavor: str
    instances: int
    old: Price | None
    new: Price | None
    later: Price | None
    is_fixed: bool

    @property
    def kind(self) -> str:
        if self.new is None:
            return "unrated"
        if self.old is None:
            return "new"
        before = (self.old.running, self.old.currency)
        is_same = before == (self.new.running, self.new.currency)
        return "unchanged" if is_same else "changed"

    @property
    def can_be_set(self) -> bool:
        return self.kind in {"new", "changed"} and not self.is_fixed

    @property
    def loses_stopped(self) -> bool:
        """Whether the price while stopped is in another currency and does not stay."""
        return bool(
            self.old
            and self.new
            and self.old.stopped is not None
            and self.new.stopped is None
        )


class Plan(NamedTuple):
    """What accepting a proposal would do, from a day on.

    Attributes:
        is_past: Whether the costs of past days change.
    """

    lines: list[Line]
    day: date
    is_past: bool

    def _number(self, kind: str) -> int:
        return sum(line.kind == kind for line in self.lines)

    @property
    def changed(self) -> int:
        return self._number("changed")

    @property
    def new(self) -> int:
        return self._number("new")

    @property
    def unchanged(self) -> int:
        return self._number("unchanged")

    @property
    def unrated(self) -> int:
        return self._number("unrated")

    @property
    def settable(self) -> list[Line]:
        return [line for line in self.lines if line.can_be_set]

    @property
    def fingerprint(self) -> str:
        """A digest that differs if something else would be set."""
        seen = [
            (line.flavor, _terms(line.old), _terms(line.new), line.is_fixed)
            for line in self.lines
        ]
        return hashlib.sha256(repr((seen, self.is_past)).encode()).hexdigest()


def fetch(proposal_pk: int) -> None:
    """Ask the cloud, and store the answer in the proposal."""
    waiting = PriceProposal.objects.filter(pk=proposal_pk, state=State.WAITING)
    proposal = waiting.first()
    if proposal is None:
        return
    try:
        client = upstream.client_for(proposal.cloud)
        ratings = client.ratings.hourly_prices(proposal.flavors)
    except ModelArtsError as error:
        log.info("prices not fetched", cloud=proposal.cloud, reason=error.sentence)
        _fail(proposal_pk, message_of(error))
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("prices not fetched", cloud=proposal.cloud)
        _fail(proposal_pk, messages.FETCH_FAILED())
    else:
        waiting.update(
            state=State.READY,
            ratings=_storable(ratings),
            answered_at=timezone.now(),
        )


def give_up(proposal_pk: int) -> None:
    """Record that the cloud took too long."""
    _fail(proposal_pk, messages.FETCH_TOOK_TOO_LONG())


def build_plan(proposal: PriceProposal, day: date) -> Plan:
    """Say what its prices would change if they count from a day on.

    The price while stopped stays as it was: the service names none.
    """
    price_list = PriceList.load()
    numbers = {item.flavor: item.instances for item in fleet_flavors(proposal.cloud)}
    exact = Price.objects.filter(
        cloud=proposal.cloud, flavor__in=proposal.flavors, valid_from__gte=day
    ).order_by("-valid_from")
    at_day = {price.flavor for price in exact if price.valid_from == day}
    later = {price.flavor: price for price in exact if price.valid_from > day}
    is_past = day < today()
    lines = []
    for flavor in proposal.flavors:
        old = price_list.at(proposal.cloud, flavor, day)
        lines.append(
            Line(
                flavor=flavor,
                instances=numbers.get(flavor, 0),
                old=old,
                new=_proposed(proposal, flavor, day, old),
                later=later.get(flavor),
                is_fixed=is_past and flavor in at_day,
            )
        )
    order = ("changed", "new", "unrated", "unchanged")
    lines.sort(key=lambda line: order.index(line.kind))
    return Plan(lines, day, is_past)


def chosen(plan: Plan, flavors: Iterable[str]) -> list[Price]:
    """Return the prices of a plan for these flavors."""
    names = set(flavors)
    return [line.new for line in plan.settable if line.new and line.flavor in names]


def _proposed(
    proposal: PriceProposal, flavor: str, day: date, old: Price | None
) -> Price | None:
    rating = proposal.ratings.get(flavor)
    if rating is None:
        return None
    amount, currency = rating
    keeps_stopped = old is not None and old.currency == currency
    return Price(
        cloud=proposal.cloud,
        flavor=flavor,
        running=Decimal(amount),
        stopped=old.stopped if old and keeps_stopped else None,
        currency=currency,
        valid_from=day,
        source=Price.Source.CLOUD,
    )


def _storable(ratings: dict[str, Rating]) -> dict[str, list[str]]:
    return {
        flavor: [str(rating.amount.quantize(_SMALLEST)), rating.currency]
        for flavor, rating in ratings.items()
        if rating.amount < _TOO_MUCH
    }


def _fail(proposal_pk: int, problem: Message) -> None:
    PriceProposal.objects.filter(pk=proposal_pk, state=State.WAITING).update(
        state=State.FAILED, problem=problem, answered_at=timezone.now()
    )


def _terms(price: Price | None) -> tuple[object, ...] | None:
    if price is None:
        return None
    return price.running.normalize(), price.stopped, price.currency
