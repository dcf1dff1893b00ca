"""The database finds the violations that the pure functions find."""

from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from dashboard.accounts.models import Team
from dashboard.accounts.selectors import TeamScope
from dashboard.instances.models import Cloud, Instance
from dashboard.policies import rules
from dashboard.policies.faults import Fault, faults, violating
from dashboard.policies.models import Rule
from dashboard.policies.runs import TOLERANCE, required_end
from tests.factories import make_cloud, make_instance

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)
LIMITS = (3600, 8 * 3600)
STATUSES = ("RUNNING", "RUNNING", "STOPPED", "CREATE_FAILED", "A_NEW_ONE")
OWNERS = ("", "anna", "a1", "li")


def _instance(random: Random, cloud: Cloud, number: int) -> Instance:
    """An instance whose times are at the bounds of rules, or a microsecond away."""

    def near(moment: datetime) -> datetime:
        return moment + random.choice((-1, 0, 0, 1)) * MICROSECOND

    def past() -> datetime | None:
        whole = NOON.replace(microsecond=random.choice((0, 1, 999_999)))
        return random.choice((near(whole - random.randrange(24) * HOUR), None))

    started, seen = past(), past()
    first_seen = near(NOON - random.randrange(24) * HOUR)
    limit = timedelta(seconds=random.choice(LIMITS))
    tolerance = random.choice((timedelta(), TOLERANCE))
    ends = (
        near((started or seen or first_seen) + limit + tolerance),
        near(NOON + random.randrange(-3, 12) * HOUR),
        None,
    )
    return Instance(
        cloud=cloud,
        instance_id=str(number),
        status=random.choice(STATUSES),
        missing_since=random.choice((None, None, None, NOON)),
        generation=random.choice(("demanager", "notebooks", "a new one")),
        lease_type=random.choice(("", "timing", "idle")),
        owner_id=random.choice(OWNERS),
        owner_name=random.choice(OWNERS),
        workspace_id=random.choice(("", "0", "w1")),
        flavor_type=random.choice(("", "GPU", "gpu", "CPU")),
        tags=random.choice(({}, {"project": "a"}, {"project": "b", "team": "x"})),
        auto_stop_enable=random.choice((True, False, None)),
        auto_stop_duration=random.choice((None, 0, *LIMITS, LIMITS[0] + 1)),
        run_started_at=started,
        status_since=seen,
        first_seen_at=first_seen,
        stops_at=random.choice(ends),
    )


def _rule(random: Random) -> Rule:
    """A rule with a scope of one or no part."""
    scopes: tuple[dict[str, Any], ...] = (
        {},
        {"cloud": "demo"},
        {"workspace_id": "0"},
        {"flavor_type": random.choice(("GPU", "gpu"))},
        {"owner": random.choice(OWNERS)},
        {"status": random.choice(STATUSES)},
        {"tag": random.choice(("project", "project=a"))},
    )
    hours = [time(0), time(6), time(12), time(12, 30), time(22)]
    rule = Rule(
        position=random.randrange(6),
        mode=random.choice((Rule.Mode.REPORT, Rule.Mode.REPORT, Rule.Mode.ENFORCE)),
        kind=random.choice(Rule.Kind.values),
        max_seconds=random.choice((None, *LIMITS)),
        quiet_from=random.choice(hours),
        quiet_until=random.choice(hours),
        time_zone=random.choice(("", "Europe/Berlin", "Asia/Kolkata")),
        **random.choice(({}, *scopes)),
    )
    if random.random() < 0.1:
        owners = frozenset(random.sample(OWNERS, 2))
        rule.team = Team(pk=1)
        rule.team_scope = TeamScope(owners, frozenset(["w1"]))
    return rule


def _judged(rule: Rule, instance: Instance, now: datetime) -> int:
    in_setting = bool(rules.setting_fault(rule, instance)) and Fault.SETTING
    return in_setting | (bool(rules.run_fault(rule, instance, now)) and Fault.RUN)


def _will_violate(rule: Rule, instance: Instance, now: datetime, by: datetime) -> bool:
    if _judged(rule, instance, now):
        return True
    end = required_end(rule, instance, now)
    return end is not None and end <= by and bool(rules.run_fault(rule, instance, end))


# Each example is a fleet, which is drawn faster from a seed, but cannot be shrunk.
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), hours=st.integers(-12, 12))
def test_the_database_judges_as_the_pure_functions_do(seed: int, hours: int) -> None:
    random = Random(seed)  # noqa: S311 (no secret)
    clouds = [make_cloud(name) for name in ("demo", "other")]
    judged_by = [_rule(random) for _ in range(12)]
    now = NOON + hours * HOUR + random.choice((0, 0, 1)) * MICROSECOND
    ahead = random.choice((timedelta(), HOUR, 24 * HOUR))
    with transaction.atomic():
        Instance.objects.bulk_create(
            _instance(random, random.choice(clouds), number) for number in range(150)
        )
        instances = list(Instance.objects.select_related("cloud"))
        found = faults(Instance.objects.all(), judged_by, now)
        found_ahead = [
            set(will.values_list("pk", flat=True))
            for rule in judged_by
            for will in [Instance.objects.filter(violating([rule], now, ahead=ahead))]
        ]
        transaction.set_rollback(True)
    for instance in instances:
        applicable = rules.applicable(judged_by, instance)
        for rule, by_pk, pks in zip(judged_by, found, found_ahead, strict=True):
            fault = _judged(rule, instance, now) if rule in applicable else 0
            case = (vars(rule), vars(instance))
            assert by_pk.get(instance.pk, 0) == fault, case
            will = _will_violate(rule, instance, now, now + ahead)
            assert (instance.pk in pks) == will, case


def test_the_longest_runs_come_first_and_one_query_finds_all() -> None:
    off = {"auto_stop_enable": False, "stops_at": None, "stops_in": None}
    stopped = make_instance(status="STOPPED", **off)
    names = ("Late", "early", "b", "A")
    starts = (NOON, NOON - HOUR, None, None)
    late, early, second, first = (
        make_instance(name=name, run_started_at=start, **off)
        for name, start in zip(names, starts, strict=True)
    )
    make_instance()
    judged_by = [Rule(kind="auto_stop"), Rule(kind="max_hours", max_seconds=28_800)]
    with CaptureQueriesContext(connection) as queries:
        found = faults(Instance.objects.all(), judged_by, NOON)
    assert len(queries) == 1
    longest_first = [first.pk, second.pk, early.pk, late.pk, stopped.pk]
    assert [list(by_pk) for by_pk in found] == [longest_first] * 2
    assert found[0][late.pk] == Fault.SETTING | Fault.RUN
    assert found[0][stopped.pk] == Fault.SETTING
