"""Which instances violate rules: the conditions of ``rules`` as queries.

``rules`` checks one instance and says how it violates a rule. To read a whole fleet for
such a check takes too long, so the database checks it, by the same conditions.
``tests/policies/test_faults.py`` compares both for random instances, rules and times.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import IntFlag
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any

from django.db.models import Case, DateTimeField, F, Func, Q, QuerySet, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Lower
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from dashboard.instances.capabilities import WITH_LEASE, WITHOUT_AUTO_STOP_SETTING
from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT, RUNNING
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.statuses import NEVER_RUN

from .models import Rule
from .runs import TOLERANCE, quiet_begin

_NONE = Q(pk__in=[])  # Q() matches all.
_CAN_RUN = PRESENT & ~Q(status__in=NEVER_RUN)
_SINCE = Coalesce("run_started_at", "status_since", "first_seen_at")

_IS_ON, _IS_OFF = Q(auto_stop_enable=True), Q(auto_stop_enable=False)
_WITH_LEASE = Q(generation__in=WITH_LEASE)
_STOPS_WHEN_IDLE = Q(run_ends_at=None) & _IS_ON & _WITH_LEASE
_NEVER_STOPS = Q(run_ends_at=None) & (
    _IS_OFF | (_IS_ON & ~_WITH_LEASE) | Q(auto_stop_enable=None, lease_type=IDLE)
)

_LONGEST_FIRST = (
    # Not ``is_running``: SQLite would read the fleet in the order of its index.
    Case(When(RUNNING, then=0), default=1),
    # A run whose start was not observed counts as the longest.
    F("run_started_at").asc(nulls_first=True),
    *(Lower("name"), "pk"),
)


class Fault(IntFlag):
    """How an instance violates a rule: by its setting, by its current run, or both."""

    SETTING = 1
    RUN = 2


type Faults = dict[int, int]
"""A ``Fault`` by the key of the instance, the longest run first."""


def faults(
    instances: QuerySet[Instance], rules: Sequence[Rule], now: datetime
) -> list[Faults]:
    """Return how instances violate each of the rules, exceptions aside; one query.

    It reads the fleet once, whatever the number of rules.
    """
    conditions = [
        (counts & setting_fault(rule), counts & run_fault(rule, now))
        for rule, counts in zip(rules, applicable(rules), strict=True)
    ]
    flags = [
        Case(When(by_setting, then=Fault.SETTING), default=0)
        + Case(When(by_run, then=Fault.RUN), default=0)
        for by_setting, by_run in conditions
    ]
    # To read and sort the others would take longer than to judge these twice.
    found = instances.filter(_CAN_RUN & reduce(or_, chain(*conditions), _NONE))
    rows = list(found.order_by(*_LONGEST_FIRST).values_list("pk", *flags))
    return [
        {row[0]: row[column] for row in rows if row[column]}
        for column in range(1, len(rules) + 1)
    ]


def violating(
    rules: Iterable[Rule], now: datetime, *, ahead: timedelta = timedelta()
) -> Q:
    """Match what violates one of the rules, or will by its run within ``ahead``.

    The order of rules is not considered.
    """
    conditions = (
        in_scope(rule) & (setting_fault(rule) | run_fault(rule, now, ahead=ahead))
        for rule in rules
    )
    return _CAN_RUN & reduce(or_, conditions, _NONE)


def applicable(rules: Sequence[Rule]) -> list[Q]:
    """Return what each of the rules counts for, as ``rules.applicable``."""
    conditions: dict[int, Q] = {}
    shadows: dict[str, Q] = {}
    for number, rule in sorted(enumerate(rules), key=lambda item: item[1].order()):
        scope = in_scope(rule)
        shadow = shadows.get(rule.kind)
        conditions[number] = scope if shadow is None else scope & ~shadow
        if rule.mode == Rule.Mode.ENFORCE:
            shadows[rule.kind] = scope if shadow is None else shadow | scope
    return [conditions[number] for number in range(len(rules))]


def in_scope(rule: Rule) -> Q:
    """Match what ``rules.applies`` accepts with its present status."""
    # Never empty: the opposite of an empty one would match all, too.
    scope = PRESENT & rule.as_q()
    return scope & Q(status=rule.status) if rule.status else scope


def run_fault(rule: Rule, now: datetime, *, ahead: timedelta = timedelta()) -> Q:
    """Match current runs that violate a rule, in scope or not (``rules.run_fault``).

    Args:
        ahead: Also match runs that will violate it within this time.
    """
    if rule.kind == Rule.Kind.QUIET_HOURS:
        begin = quiet_begin(rule, now)
        if begin > now + ahead:
            return _NONE
        has_no_end = _NEVER_STOPS | _STOPS_WHEN_IDLE
        return RUNNING & (has_no_end | Q(run_ends_at__gt=begin))
    if rule.kind == Rule.Kind.STILL_NEEDED:
        return _NONE
    if rule.kind == Rule.Kind.AUTO_STOP:
        return RUNNING & _NEVER_STOPS
    longest = timedelta(seconds=rule.max_seconds or 0)
    is_too_long = GreaterThan(F("run_ends_at"), _Later(_SINCE, longest + TOLERANCE))
    is_over = LessThanOrEqual(_SINCE, now + ahead - longest)
    return RUNNING & (_NEVER_STOPS | Q(is_too_long) | (_STOPS_WHEN_IDLE & Q(is_over)))


def setting_fault(rule: Rule) -> Q:
    """Match settings that violate a rule, in scope or not (``rules.setting_fault``)."""
    if not rule.limits_setting:
        return _NONE
    is_bad = _IS_OFF
    if rule.kind == Rule.Kind.MAX_HOURS:
        is_bad |= _IS_ON & Q(auto_stop_duration__gt=rule.max_seconds or 0)
    return is_bad & ~Q(generation__in=WITHOUT_AUTO_STOP_SETTING)


class _Later(Func):
    """A moment plus whole seconds.

    Django's own addition calls Python for each row on SQLite, which takes three times
    as long.
    """

    output_field = DateTimeField()

    def __init__(self, moment: Combinable, duration: timedelta) -> None:
        super().__init__(moment)
        self._duration = duration

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        sql, params = compiler.compile(self.get_source_expressions()[0])
        return f"({sql} + %s)", (*params, self._duration)

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        sql, params = compiler.compile(self.get_source_expressions()[0])
        # Moments are text there. Its part after the seconds stays as it is: SQLite
        # would round it.
        seconds = self._duration // timedelta(seconds=1)
        added = f"datetime(substr({sql}, 1, 19), '{seconds:+d} seconds')"
        return f"({added} || substr({sql}, 20))", (*params, *params)
