"""What a rule says of an instance and of a wish."""

from datetime import UTC, datetime, time
from itertools import product
from typing import Any

import pytest

from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.policies.rules import (
    Wish,
    is_quiet,
    refusals,
    remedy,
    suspects,
    violations,
)
from tests.factories import make_instance

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 1, 0, tzinfo=UTC)


def notebook(**fields: Any) -> Instance:
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
    }
    return Instance(**(defaults | fields))


def rule(kind: str = "auto_stop", **fields: Any) -> Rule:
    if kind == "max_hours":
        fields.setdefault("max_seconds", 8 * 3600)
    if kind == "quiet_hours":
        night = {"quiet_from": time(22), "quiet_until": time(6), "time_zone": "UTC"}
        fields = night | fields
    return Rule(name="A rule", reason="Because.", kind=kind, **fields)


def broken(one: Rule, instance: Instance, now: datetime = NOON) -> list[str]:
    return [violation.sentence for violation in violations([one], instance, now)]


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("auto_stop", {"auto_stop_enable": False}, "Auto-stop is off."),
        ("auto_stop", {"auto_stop_enable": True}, ""),
        ("auto_stop", {"auto_stop_enable": None}, ""),
        ("max_hours", {"auto_stop_duration": 8 * 3600}, ""),
        ("max_hours", {"auto_stop_duration": 9 * 3600}, "would last 9 h; 8 h is most"),
        ("max_hours", {"auto_stop_enable": False}, "a run has no end"),
        ("max_hours", {"auto_stop_duration": None}, ""),
        ("auto_stop", {"auto_stop_enable": False, "missing_since": NOON}, ""),
    ],
)
def test_settings(kind: str, fields: dict[str, Any], said: str) -> None:
    found = broken(rule(kind), notebook(**fields))
    assert bool(found) == bool(said)
    assert said in "".join(found)


@pytest.mark.django_db
@pytest.mark.parametrize("now", [NOON, MIDNIGHT])
@pytest.mark.parametrize("kind", ["auto_stop", "max_hours", "quiet_hours"])
def test_whatever_breaks_a_rule_is_suspected(kind: str, now: datetime) -> None:
    for status, enabled, seconds in product(
        ("RUNNING", "STOPPED", "HIBERNATING"),
        (True, False, None),
        (None, 3600, 8 * 3600, 9 * 3600),
    ):
        make_instance(
            status=status, auto_stop_enable=enabled, auto_stop_duration=seconds
        )
    one = rule(kind)
    broken_by = {
        instance.pk for instance in Instance.objects.all() if broken(one, instance, now)
    }
    suspected = set(
        Instance.objects.filter(suspects([one], now)).values_list("pk", flat=True)
    )
    assert broken_by <= suspected
    assert len(suspected) < Instance.objects.count() / 2 + 1, "it narrows them down"
    assert not Instance.objects.filter(suspects([], now)).exists()


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
        # In summer Berlin is two hours ahead.
        ((22, 6), "Europe/Berlin", 20, True),
        ((22, 6), "Europe/Berlin", 4, False),
    ],
)
def test_quiet_hours_are_told_in_their_zone(
    hours: tuple[int, int], zone: str, hour: int, quiet: bool
) -> None:
    first, last = hours
    one = rule(
        "quiet_hours", quiet_from=time(first), quiet_until=time(last), time_zone=zone
    )
    assert is_quiet(one, NOON.replace(hour=hour)) is quiet


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
def test_what_is_out_of_scope_breaks_nothing(scope: dict[str, str]) -> None:
    assert not broken(rule(**scope), notebook(auto_stop_enable=False))


def test_the_scope_is_all_of_its_fields_and_an_owner_is_an_id_too() -> None:
    scope = {"cloud": "demo", "flavor_type": "gpu", "owner": "a1", "status": "RUNNING"}
    assert broken(rule(**scope), notebook(auto_stop_enable=False))


def refused(one: Rule, wish: Wish, now: datetime = NOON, **fields: Any) -> bool:
    instance = notebook(**fields)
    values = {
        "auto_stop_enable": instance.auto_stop_enable,
        "auto_stop_duration": instance.auto_stop_duration,
    }
    return bool(refusals([one], instance, wish, values, now))


def test_a_wish_that_breaks_a_rule_is_refused() -> None:
    assert refused(rule(), Wish({"auto_stop_enable": False}))
    assert refused(rule("max_hours"), Wish({"auto_stop_duration": 9 * 3600}))
    assert not refused(rule("max_hours"), Wish({"auto_stop_duration": 7 * 3600}))


def test_a_wish_answers_only_for_what_it_touches() -> None:
    off = {"auto_stop_enable": False}
    assert not refused(rule(), Wish({"description": "words"}), **off)
    assert not refused(rule(), Wish({"auto_stop_prompt": False}), **off)
    assert not refused(rule(), Wish({"auto_stop_enable": True}), **off)


def test_a_start_answers_for_the_run_it_begins() -> None:
    start, stopped = Wish(starts=True), {"status": "STOPPED"}
    assert refused(rule("quiet_hours"), start, MIDNIGHT, **stopped)
    assert not refused(rule("quiet_hours"), start, NOON, **stopped)
    assert refused(rule(), start, auto_stop_enable=False, **stopped)
    running_only = rule(status="RUNNING")
    assert refused(running_only, start, auto_stop_enable=False, **stopped)


def test_remedies() -> None:
    assert remedy(rule()) == ("update", {"auto_stop_enable": True})
    assert remedy(rule("max_hours")).patch == {
        "auto_stop_enable": True,
        "auto_stop_duration": 8 * 3600,
    }
    assert remedy(rule("quiet_hours")).kind == "stop"
