"""Writes of prices and of the proposals that a cloud makes.

They raise ``PermissionDenied`` if the actor lacks the permission.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_set_prices
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import record_event, record_events
from dashboard.instances.models import FleetVersion, Instance

from . import tasks
from .amounts import plain
from .models import Price, PriceProposal
from .price_overview import affected, fleet_flavors, today

State = PriceProposal.State


class PriceError(Exception):
    """The present state does not allow this; the message says why."""


class Written(NamedTuple):
    """How many prices are new, and how many have replaced one."""

    added: int
    replaced: int


def key_of(price: Price) -> tuple[Any, ...]:
    """Return what there is only one price for."""
    return price.cloud, price.flavor, price.valid_from


def terms_of(price: Price) -> tuple[Any, ...]:
    """Return what a price says."""
    return price.running, price.stopped, price.currency


def stored_prices(prices: Iterable[Price]) -> dict[tuple[Any, ...], Price]:
    """Return the stored prices with the same cloud, flavor and day, by ``key_of``."""
    flavors = {price.flavor for price in prices}
    rows = Price.objects.filter(flavor__in=flavors)
    return {key_of(price): price for price in rows}


def why_not_settable(price: Price, stored: Price | None) -> str:
    """Return why a price cannot take the place of a stored one; empty if it can.

    Args:
        price: The new one.
        stored: That of the same cloud, flavor and day; None without one.
    """
    if stored is None or terms_of(stored) == terms_of(price):
        return ""
    if stored.valid_from >= today():
        return ""
    return _(
        "There is another price from this day on, and reports have used it. Remove "
        "it first, or choose a later day."
    )


@transaction.atomic
def set_prices(*, prices: Iterable[Price], actor: User) -> Written:
    """Store prices, which are validated.

    A price from today or later takes the place of the one from the same day; a price
    that is stored already is left alone.

    Raises:
        PriceError: There is another price from a past day, or someone else has written
            at the same time. Nothing is stored.
    """
    _require(can_set_prices(actor))
    prices = list(prices)
    stored = stored_prices(prices)
    added, replaced = [], []
    events: list[AuditEvent] = []
    for price in prices:
        price.created_by = actor
        old = stored.get(key_of(price))
        if old is None:
            added.append(price)
        elif terms_of(old) != terms_of(price):
            if reason := why_not_settable(price, old):
                raise PriceError(reason)
            before = _values(old)
            old.running, old.stopped, old.currency = terms_of(price)
            old.source, old.created_by = price.source, actor
            old.created_at = timezone.now()
            replaced.append(old)
            _record(actor, "price.replaced", old, before, _values(old), events)
    Price.objects.bulk_update(
        replaced,
        ["running", "stopped", "currency", "source", "created_by", "created_at"],
    )
    try:
        with transaction.atomic():
            Price.objects.bulk_create(added)
    except IntegrityError:
        raise PriceError(
            _("Someone else has set the same prices just now. Check them.")
        ) from None
    for price in added:
        _record(actor, "price.added", price, {}, _values(price), events)
    record_events(events)
    _stamp([*added, *replaced])
    return Written(len(added), len(replaced))


@transaction.atomic
def remove_price(*, price: Price, actor: User) -> None:
    """Delete a price; the audit trail keeps it."""
    _require(can_set_prices(actor))
    events: list[AuditEvent] = []
    _record(actor, "price.removed", price, _values(price), {}, events)
    record_events(events)
    _stamp([price])
    price.delete()


@transaction.atomic
def request_prices(*, cloud: str, actor: User) -> PriceProposal:
    """Let a worker ask the billing service of a cloud for the prices of its flavors.

    Returns:
        The proposal that waits for the answer, or one that has been waiting.

    Raises:
        PriceError: The cloud has no instances.
    """
    _require(can_set_prices(actor))
    now = timezone.now()
    earlier = PriceProposal.objects.filter(cloud=cloud)
    for proposal in earlier:
        if proposal.is_awaited(now):
            return proposal
    flavors = [item.flavor for item in fleet_flavors(cloud)]
    if not flavors:
        raise PriceError(
            _("Cloud %(cloud)s has no instances to ask prices for.") % {"cloud": cloud}
        )
    earlier.delete()
    proposal = PriceProposal.objects.create(
        cloud=cloud, asked_by=actor, asked_at=now, flavors=flavors
    )
    transaction.on_commit(partial(tasks.enqueue_fetch, proposal.pk), robust=True)
    return proposal


@transaction.atomic
def accept_prices(
    *, proposal: PriceProposal, prices: Iterable[Price], actor: User
) -> Written:
    """Store prices of a proposal, and close it.

    Raises:
        PriceError: It is closed already, or see ``set_prices``.
    """
    _require(can_set_prices(actor))
    ready = PriceProposal.objects.filter(pk=proposal.pk, state=State.READY)
    if not ready.update(state=State.ACCEPTED):
        raise PriceError(_("Someone has set these prices already."))
    return set_prices(prices=prices, actor=actor)


def _values(price: Price) -> dict[str, Any]:
    return {
        "cloud": price.cloud,
        "flavor": price.flavor,
        "running": plain(price.running),
        "stopped": "" if price.stopped is None else plain(price.stopped),
        "currency": price.currency,
        "valid_from": price.valid_from.isoformat(),
        "source": price.source,
    }


def _record(
    actor: User,
    action: str,
    price: Price,
    before: dict[str, Any],
    after: dict[str, Any],
    events: list[AuditEvent],
) -> None:
    record_event(
        actor,
        action,
        price,
        target_label=price.flavor,
        before=before,
        after=after,
        into=events,
    )


def _stamp(prices: list[Price]) -> None:
    """Let pages that show a price be drawn again."""
    if prices:
        FleetVersion.stamp(Instance.objects.filter(affected(prices)))


def _require(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied(_("Only admins can set prices."))
