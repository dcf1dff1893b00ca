"""Policies and the runs of notebooks, whose end is a lease."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.accounts.models import User
from dashboard.edits import enforcement
from dashboard.instances.models import Cloud, Instance
from dashboard.policies import rules as policy_rules
from dashboard.policies.models import Rule, RuleException
from dashboard.policies.remedies import remedies
from dashboard.policies.runs import required_end
from dashboard.policies.selectors import limits_of_end, refused
from tests.factories import make_notebook
from tests.policies.conftest import make_rule
from tests.policies.test_rules import HOUR, MIDNIGHT, NOON, broken, notebook, rule


def leased(**fields: Any) -> Instance:
    """A notebook that runs from 5:00 to 13:00; its cloud's clock is 5 s ahead."""
    defaults: dict[str, Any] = {
        "generation": "notebooks",
        "cloud": Cloud(name="demo", skew_ms=5000),
        "lease_type": "timing",
        "auto_stop_duration": None,
    }
    return notebook(**(defaults | fields))


def idle(**fields: Any) -> Instance:
    return leased(
        **({"lease_type": "idle", "idle_seconds": 3600, "stops_at": None} | fields)
    )


def end_patch(ends_at: datetime) -> dict[str, Any]:
    """The patch of an extension, by the clock of the cloud of ``leased``."""
    return {"stop_timestamp_ms": round(ends_at.timestamp() * 1000) + 5000}


IDLE = {"lease_type": "idle", "idle_seconds": 3600}
OFF: dict[str, Any] = {"auto_stop_enable": False, "stops_at": None, "lease_type": ""}


def refusals(
    rule: Rule,
    patch: dict[str, Any],
    now: datetime = NOON,
    *,
    starts: bool = False,
    **fields: Any,
) -> list[str]:
    instance = leased(**fields)
    values = {"auto_stop_enable": instance.auto_stop_enable, "auto_stop_duration": None}
    violations = policy_rules.refusals(
        [rule], instance, values, patch, now, starts=starts
    )
    return [str(violation.sentence) for violation in violations]


def test_the_auto_stop_of_a_notebook_is_the_lease_of_its_run() -> None:
    assert not broken(rule(), leased())
    assert not broken(rule(), idle())
    assert broken(rule(), leased(**OFF)) == ["This run has no end."]
    assert not broken(rule(), leased(status="STOPPED", **OFF))
    assert not broken(rule("max_hours"), leased(status="STOPPED", **OFF))


def test_a_lease_that_the_cloud_does_not_report_violates_nothing() -> None:
    unknown = leased(auto_stop_enable=None, stops_at=None, lease_type="")
    assert not broken(rule(), unknown)
    assert not broken(rule("max_hours"), unknown)


def test_the_length_of_a_notebook_s_run_is_counted_to_the_end_of_its_lease() -> None:
    assert not broken(rule("max_hours"), leased())
    assert broken(rule("max_hours"), leased(stops_at=NOON + 5 * HOUR)) == [
        "This run lasts 12 h; the limit is 8 h."
    ]


def test_an_idle_lease_violates_a_maximum_once_the_run_has_lasted_that_long() -> None:
    longest, instance = rule("max_hours"), idle()
    begin = instance.run_started_at
    assert begin
    assert not broken(longest, instance, begin + 8 * HOUR - timedelta(seconds=1))
    assert broken(longest, instance, begin + 8 * HOUR) == [
        "This run has reached the limit of 8 h and stops only when nobody uses it."
    ]
    assert required_end(longest, instance, NOON) == begin + 8 * HOUR


def test_an_idle_lease_violates_quiet_hours_only_during_them() -> None:
    assert not broken(rule("quiet_hours"), idle())
    assert broken(rule("quiet_hours"), idle(), MIDNIGHT)


@pytest.mark.parametrize(
    ("ends_at", "sentence"),
    [
        (NOON + HOUR, ""),
        (NOON + HOUR + timedelta(minutes=5), ""),
        (NOON + 2 * HOUR, "This run would last 9 h; the limit is 8 h."),
    ],
)
def test_an_extension_must_end_within_the_maximum(
    ends_at: datetime, sentence: str
) -> None:
    assert "".join(refusals(rule("max_hours"), end_patch(ends_at))) == sentence
    assert not refusals(rule(), end_patch(ends_at))


def test_an_extension_must_not_reach_into_quiet_hours() -> None:
    night = rule("quiet_hours")
    assert not refusals(night, end_patch(NOON + 10 * HOUR))
    assert refusals(night, end_patch(NOON + 11 * HOUR)) == [
        "This run would go on in quiet hours: 22:00 to 06:00 (UTC)."
    ]
    assert not refusals(night, IDLE)
    assert refusals(night, IDLE, MIDNIGHT)


def test_an_enforced_maximum_refuses_a_switch_to_an_idle_lease() -> None:
    assert refusals(rule("max_hours"), IDLE) == [
        "A run that stops only when idle has no latest end; the limit is 8 h."
    ]
    assert not refusals(rule(), IDLE)


def test_a_start_answers_for_its_own_run_time_and_not_for_the_last_one() -> None:
    def start(rule: Rule, patch: dict[str, Any]) -> list[str]:
        return refusals(rule, patch, status="STOPPED", starts=True, **OFF)

    no_auto_stop = {"auto_stop_enable": False}
    nine = {"auto_stop_enable": True, "auto_stop_duration": 9 * 3600}
    assert not start(rule(), {})
    assert not start(rule("max_hours"), {})
    assert start(rule(), no_auto_stop)
    assert start(rule("max_hours"), no_auto_stop)
    assert start(rule("max_hours"), nine)
    assert not start(rule("max_hours", max_seconds=9 * 3600), nine)


@pytest.mark.django_db
def test_the_limits_of_an_extension_are_those_of_policies_without_exception(
    scientist: User,
) -> None:
    now = datetime.now(UTC)
    instance = make_notebook()
    make_rule()
    make_rule(name="Report", kind="max_hours", max_seconds=3600, mode="report")
    eight = make_rule(name="Eight", kind="max_hours", max_seconds=8 * 3600)
    make_rule(name="Twelve", kind="max_hours", max_seconds=12 * 3600)
    begin = instance.run_started_at
    assert begin
    limits = limits_of_end(instance, now)
    assert [(item.rule, item.latest - begin) for item in limits] == [(eight, 8 * HOUR)]
    assert str(limits[0].sentence) == "The maximum run time is 8 h."
    long = {"stop_timestamp_ms": round((begin + 10 * HOUR).timestamp() * 1000)}
    assert refused(instance, {}, long, now, starts=False)
    RuleException.objects.create(
        rule=eight,
        instance=instance,
        reason="A long training",
        until=now + timedelta(days=1),
        state=RuleException.State.APPROVED,
        asked_by=scientist,
    )
    assert not limits_of_end(instance, now), "the second does not take its place"
    assert not refused(instance, {}, long, now, starts=False)


@pytest.mark.django_db
def test_the_remedy_for_a_notebook_without_auto_stop_is_a_stop() -> None:
    now = datetime.now(UTC)
    running = make_notebook(auto_stop_enable=False, stops_in=None, lease_type="")
    make_notebook(auto_stop_enable=False, status="STOPPED", lease_type="")
    make_notebook(idle_seconds=3600)
    checked = make_rule()
    [remedy] = remedies(checked, now)
    assert (remedy.instance, remedy.fixes_setting) == (running, False)
    assert remedy.stop_at is not None
    prospect = enforcement.prospect(checked, now)
    assert [stop.instance for stop in prospect.stops] == [running]
    assert not prospect.settings
