"""Violations of instances, and refusals of changes."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.policies.rules import (
    refusals,
    setting_remedy,
    violations,
)
from dashboard.policies.runs import is_quiet, quiet_begin, quiet_times, required_end

HOUR = timedelta(hours=1)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 1, 0, tzinfo=UTC)


def notebook(**fields: Any) -> Instance:
    """An instance that runs from 5:00 for 8 hours, as it will after the next start."""
    defaults: dict[str, Any] = {
        "name": "notebook",
        "status": "RUNNING",
        "cloud": Cloud(name="demo"),
        "owner_name": "anna.schmidt",
        "owner_id": "a1",
        "flavor_type": "GPU",
        "workspace_id": "0",
        "auto_stop_enable": True,
        "auto_stop_duration": 8 * 3600,
        "run_started_at": NOON - timedelta(hours=7),
        "stops_at": NOON + timedelta(hours=1),
        "first_seen_at": NOON - timedelta(days=1),
    }
    return Instance(**(defaults | fields))


def rule(kind: str = "auto_stop", **fields: Any) -> Rule:
    if kind == "max_hours":
        fields.setdefault("max_seconds", 8 * 3600)
    if kind == "quiet_hours":
        night = {"quiet_from": time(22), "quiet_until": time(6), "time_zone": "UTC"}
        fields = night | fields
    return Rule(name="A rule", reason="Because.", kind=kind, **fields)


def broken(rule: Rule, instance: Instance, now: datetime = NOON) -> list[str]:
    return [str(violation.sentence) for violation in violations([rule], instance, now)]


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("auto_stop", {"auto_stop_enable": False}, "Auto-stop is off."),
        ("auto_stop", {"auto_stop_enable": True}, ""),
        ("auto_stop", {"auto_stop_enable": None}, ""),
        ("max_hours", {"auto_stop_duration": 8 * 3600}, ""),
        (
            "max_hours",
            {"auto_stop_duration": 9 * 3600},
            "would last 9 h; the limit is 8 h",
        ),
        ("max_hours", {"auto_stop_enable": False}, "is off; the limit is 8 h"),
        ("max_hours", {"auto_stop_duration": None}, ""),
        ("auto_stop", {"auto_stop_enable": False, "missing_since": NOON}, ""),
    ],
)
def test_settings(kind: str, fields: dict[str, Any], said: str) -> None:
    broken_rules = broken(rule(kind), notebook(**fields))
    assert bool(broken_rules) == bool(said)
    assert said in "".join(broken_rules)


def test_a_run_without_an_end_breaks_a_rule_whatever_its_setting_says_now() -> None:
    corrected = {"auto_stop_enable": True, "auto_stop_duration": 8 * 3600}
    no_auto_stop = notebook(stops_at=None, run_started_at=None, **corrected)
    assert broken(rule("auto_stop"), no_auto_stop) == ["This run has no end."]
    assert broken(rule("max_hours"), no_auto_stop) == [
        "This run has no end; the limit is 8 h."
    ]


def test_a_run_over_the_maximum_breaks_a_rule_until_it_ends() -> None:
    longer = {"stops_at": NOON + timedelta(hours=5)}
    assert broken(rule("max_hours"), notebook(**longer)) == [
        "This run lasts 12 h; the limit is 8 h."
    ]
    stopped = notebook(status="STOPPED", **longer)
    assert not broken(rule("max_hours"), stopped)


def test_a_run_and_its_setting_can_both_break_a_rule() -> None:
    both = notebook(stops_at=None, auto_stop_enable=False)
    assert broken(rule("auto_stop"), both) == ["This run has no end. Auto-stop is off."]


def test_a_run_that_nobody_saw_begin_is_as_long_as_it_was_seen() -> None:
    unknown = {"run_started_at": None, "status_since": NOON - timedelta(hours=2)}
    assert not broken(rule("max_hours"), notebook(**unknown))
    longer = unknown | {"stops_at": NOON + timedelta(hours=9)}
    assert broken(rule("max_hours"), notebook(**longer))


@pytest.mark.parametrize("status", ["CREATE_FAILED", "UNAVAILABLE", "DELETED"])
def test_instances_that_cannot_run_comply(status: str) -> None:
    dead = notebook(status=status, auto_stop_enable=False, stops_at=None)
    for kind in ("auto_stop", "max_hours", "quiet_hours"):
        assert not broken(rule(kind), dead, MIDNIGHT)


def test_a_document_that_says_nothing_of_auto_stop_is_held_against_nobody() -> None:
    silent = notebook(auto_stop_enable=None, auto_stop_duration=None, stops_at=None)
    assert not broken(rule("auto_stop"), silent)
    assert not broken(rule("max_hours"), silent)


def test_when_a_rule_wants_a_run_over() -> None:
    no_auto_stop = notebook(stops_at=None)
    started = no_auto_stop.run_started_at
    assert started
    assert required_end(rule("auto_stop"), no_auto_stop, NOON) == started
    assert required_end(rule("max_hours"), no_auto_stop, NOON) == started + timedelta(
        hours=8
    )
    assert required_end(rule("max_hours"), notebook(), NOON) is None
    night = NOON.replace(hour=22)
    assert required_end(rule("quiet_hours"), no_auto_stop, NOON) == night
    assert required_end(rule("quiet_hours"), notebook(), NOON) is None, "it ends before"


def test_quiet_hours_that_go_over_midnight_have_one_begin() -> None:
    night, ten = rule("quiet_hours"), NOON.replace(hour=22)
    assert quiet_begin(night, NOON) == ten
    assert quiet_begin(night, ten + timedelta(hours=5)) == ten
    week = quiet_times(night, NOON, NOON + timedelta(days=2))
    assert [end - begin for begin, end in week] == [timedelta(hours=8)] * 2


def test_quiet_hours_are_broken_by_what_runs_in_them() -> None:
    night = rule("quiet_hours")
    assert broken(night, notebook(), MIDNIGHT)
    assert not broken(night, notebook(), NOON)
    assert not broken(night, notebook(status="STOPPED"), MIDNIGHT)


@pytest.mark.parametrize(
    ("hours", "zone", "hour", "quiet"),
    [
        ((22, 6), "UTC", 22, True),
        ((22, 6), "UTC", 5, True),
        ((22, 6), "UTC", 6, False),
        ((22, 6), "UTC", 21, False),
        ((12, 13), "UTC", 12, True),
        ((12, 13), "UTC", 13, False),
        # In summer, Berlin is two hours ahead.
        ((22, 6), "Europe/Berlin", 20, True),
        ((22, 6), "Europe/Berlin", 4, False),
    ],
)
def test_quiet_hours_are_told_in_their_zone(
    hours: tuple[int, int], zone: str, hour: int, quiet: bool
) -> None:
    first, last = hours
    checked = rule(
        "quiet_hours", quiet_from=time(first), quiet_until=time(last), time_zone=zone
    )
    assert is_quiet(checked, NOON.replace(hour=hour)) is quiet


@pytest.mark.parametrize(
    "scope",
    [
        {"cloud": "other"},
        {"workspace_id": "7"},
        {"flavor_type": "CPU"},
        {"owner": "li.wei"},
        {"status": "STOPPED"},
    ],
)
def test_instances_out_of_scope_comply(scope: dict[str, str]) -> None:
    assert not broken(rule(**scope), notebook(auto_stop_enable=False))


def test_the_scope_is_all_of_its_fields_and_an_owner_is_an_id_too() -> None:
    scope = {"cloud": "demo", "flavor_type": "gpu", "owner": "a1", "status": "RUNNING"}
    assert broken(rule(**scope), notebook(auto_stop_enable=False))


def refused(
    rule: Rule, patch: dict[str, Any] | None, now: datetime = NOON, **fields: Any
) -> bool:
    """Whether the rule refuses these settings; None starts the instance."""
    instance = notebook(**fields)
    values = {
        "auto_stop_enable": instance.auto_stop_enable,
        "auto_stop_duration": instance.auto_stop_duration,
    }
    starts = patch is None
    return bool(refusals([rule], instance, values, patch or {}, now, starts=starts))


def test_a_change_that_breaks_a_rule_is_refused() -> None:
    assert refused(rule(), {"auto_stop_enable": False})
    assert refused(rule("max_hours"), {"auto_stop_duration": 9 * 3600})
    assert not refused(rule("max_hours"), {"auto_stop_duration": 7 * 3600})


def test_a_change_answers_only_for_what_it_touches() -> None:
    off = {"auto_stop_enable": False}
    assert not refused(rule(), {"description": "words"}, **off)
    assert not refused(rule(), {"auto_stop_prompt": False}, **off)
    assert not refused(rule(), {"auto_stop_enable": True}, **off)


def test_a_start_answers_for_the_run_it_begins() -> None:
    stopped = {"status": "STOPPED"}
    assert refused(rule("quiet_hours"), None, MIDNIGHT, **stopped)
    assert not refused(rule("quiet_hours"), None, NOON, **stopped)
    assert refused(rule(), None, auto_stop_enable=False, **stopped)
    running_only = rule(status="RUNNING")
    assert refused(running_only, None, auto_stop_enable=False, **stopped)


def test_remedies() -> None:
    assert setting_remedy(rule()) == {"auto_stop_enable": True}
    assert setting_remedy(rule("max_hours")) == {
        "auto_stop_enable": True,
        "auto_stop_duration": 8 * 3600,
    }
    assert not setting_remedy(rule("quiet_hours"))
